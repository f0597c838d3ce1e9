"""Notifications on this screen: toasts in the window, the desktop's own, the manager over all channels."""
