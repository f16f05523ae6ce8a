import numpy as np
from synthetic import RGB, jacobian_images


def test_what_is_printed_of_them_is_one_line():
    entries = {"light.direction": np.zeros((48, 64, 1, 2, 3)), "shader.specular": np.zeros((48, 64, 1))}
    text = "64 x 48 pixels, f64, batched: light.direction 6 columns, shader.specular 1 column"
    images = jacobian_images(entries, lights=2)
    assert repr(images) == str(images) == f"<JacobianImages {text}>"

    images = jacobian_images({"mesh.rotation": np.zeros((48, 64, 3, 3))}, cotangents=RGB)
    text = "64 x 48 pixels, f64, batched, R, G and B separately: mesh.rotation 3 columns"
    assert repr(images) == f"<JacobianImages {text}>"
