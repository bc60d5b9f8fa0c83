"""Keys, store, ledger: the content-addressed cache."""
