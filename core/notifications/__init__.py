"""Notifications: from one message to every channel, without any of them holding up another."""
