"""Old names that users' code imports."""
