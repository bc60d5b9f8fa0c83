"""Status, tables and summaries for people."""
