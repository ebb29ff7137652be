"""The live page: studies of a ledger in a browser, while they run; nothing is written."""
