"""Beyond one machine: bots and their states over Redis. Imported only where `server.redis_url` is set."""
