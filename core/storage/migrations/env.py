"""Alembic's way into our connection: `core.storage.versions` hands it over, its transaction already begun."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
