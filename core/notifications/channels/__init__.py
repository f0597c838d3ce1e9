"""The channels that leave the computer: Telegram and e-mail. Those of the desktop live in the GUI."""
