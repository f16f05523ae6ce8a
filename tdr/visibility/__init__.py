"""Which triangle each pixel sees: the discontinuous part of rendering."""
