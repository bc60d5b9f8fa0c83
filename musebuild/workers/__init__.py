"""One invocation, run somewhere: orders, executor, fork server, worker, checks of products."""
