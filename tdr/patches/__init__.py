"""Everything that is changed in somebody else's library, one module a library and place."""
