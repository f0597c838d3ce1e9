"""The only place where a thread meets Qt."""
