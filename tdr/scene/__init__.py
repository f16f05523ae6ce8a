"""What is looked at: the mesh, the camera and the lights."""
