"""What light does at a surface. Empty, because some of its modules are read without Taichi."""
