"""What surrounds the clients: the tools they need, the servers they talk to, and the count of what they report."""
