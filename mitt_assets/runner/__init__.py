"""``mitt run``: what is missing or stale, in dependency order, one partition per Dagster run."""
