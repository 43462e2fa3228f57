"""Language models: one asynchronous engine over many backends."""
