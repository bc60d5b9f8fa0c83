"""Plan → doit tasks; invocations in worker processes; scheduling, progress, cancellation."""
