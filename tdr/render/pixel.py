"""One pixel as a smooth function of the scene: where it sees its triangle, and the colour that it gets from one light.

The functions here compose the stages and are written once; every kernel that renders, differentiates or checks calls
them. They take what they read (the mesh, rotations, values of parameters) as arrays or fields alike: forward mode can
differentiate past fields only.
"""

from tdr.backend import ti
from tdr.render.interpolator import interpolate, intersect
from tdr.scene.transforms import normalized, turned


@ti.data_oriented
class PixelFunctions:
    """The device functions of one pixel.

    Attributes:
        perturbations: parameter name -> (), the same for all pixels, for forward mode.
        slots: input of the shader -> perturbations, one a pixel, for reverse mode.
    """

    perturbations: dict[str, ti.MatrixField]
    slots: dict[str, ti.MatrixField]

    @ti.func
    def read(self, values: ti.template(), row, layout: ti.template(), name: ti.template()):
        """A parameter with its perturbation, (size,), from a row of values."""
        offset = ti.static(layout.offset(name))
        value = ti.Vector([values[row, offset + i] for i in ti.static(range(layout.size(name)))])
        if ti.static(name in layout.perturbed):
            return value + self.perturbations[name][None]
        else:
            return value

    @ti.func
    def extent(self, values: ti.template(), row, layout: ti.template()):
        """The extent of the camera's view, see :class:`Camera`, with the perturbation of its lens."""
        extent = values[row, ti.static(layout.offset(layout.camera.lens))]
        if ti.static(layout.camera.lens in layout.perturbed):
            return extent + layout.camera.extent_slope(extent) * self.perturbations[layout.camera.lens][None][0]
        else:
            return extent

    @ti.func
    def turn(self, layout: ti.template(), name: ti.template()):
        """The perturbation of a rotation, (3,); zero, as its value always is, if it is not perturbed."""
        if ti.static(name in layout.perturbed):
            return self.perturbations[name][None]
        else:
            return ti.Vector([0.0, 0.0, 0.0])

    @ti.func
    def after_turn(self, vector, turn, layout: ti.template(), name: ti.template()):
        """A vector after a turn, which is left out at compile time where nothing turns."""
        if ti.static(name in layout.perturbed):
            return turned(vector, turn)
        else:
            return vector

    @ti.func
    def with_slot(self, value, k, layout: ti.template(), name: ti.template()):
        """An input of the shader, with its slot if it has one."""
        if ti.static(name in layout.slots):
            return value + self.slots[name][k]
        else:
            return value

    @ti.func
    def locate(
        self,
        row,
        pose,
        pixel,
        triangle,
        vertices: ti.template(),
        triangles: ti.template(),
        normals: ti.template(),
        normal_ids: ti.template(),
        vertex_albedo: ti.template(),
        rotations: ti.template(),
        view: ti.template(),
        values: ti.template(),
        layout: ti.template(),
    ):
        """Where a pixel sees its triangle.

        Args:
            row: the row of values that is read.
            pose: which rotations are read.
            pixel: the pixel, row by row.
            triangle: the triangle that it sees.
            vertices: see :class:`tdr.render.interpolator.TriangleAttributeInterpolator`, and the next four likewise.
            triangles: as above.
            normals: as above.
            normal_ids: as above.
            vertex_albedo: as above.
            rotations: (2 * poses,) matrices, of the mesh and of the camera by turns.
            view: height, width, near, far.
            values: (rows, numbers), see :meth:`tdr.render.layout.Layout.rows`.
            layout: what is compiled.

        Returns:
            weights (4,): barycentrics and facing; position (3,) and unit normal (3,) on the side that the camera sees,
            world space; the vertices' albedo (3,).
        """
        width = ti.cast(view[1], ti.i32)
        # Of the pixel's centre, in half image heights from the image's.
        half_pixel = 1.0 / view[0]
        x = (2 * (pixel % width) + 1 - width) * half_pixel
        y = (view[0] - (2 * (pixel // width) + 1)) * half_pixel
        model_rotation = rotations[2 * pose]
        camera_rotation = rotations[2 * pose + 1]
        translation = self.read(values, row, layout, "mesh.translation")
        scale = self.read(values, row, layout, "mesh.scale")[0]
        camera_position = self.read(values, row, layout, "camera.position")

        mesh_turn = self.turn(layout, "mesh.rotation")
        camera_turn = self.turn(layout, "camera.rotation")

        # The ray is brought to the triangle, not the triangle's three corners to the ray.
        extent = self.extent(values, row, layout)
        origin_view, direction_view = layout.camera.ray(x * extent, y * extent)
        origin = camera_position + self.after_turn(
            camera_rotation @ origin_view, camera_turn, layout, "camera.rotation"
        )
        direction = self.after_turn(camera_rotation @ direction_view, camera_turn, layout, "camera.rotation")
        to_model = model_rotation.transpose()
        corners = triangles[triangle]
        weights, distance = intersect(
            vertices[corners[0]],
            vertices[corners[1]],
            vertices[corners[2]],
            to_model @ self.after_turn(origin - translation, -mesh_turn, layout, "mesh.rotation") * (1.0 / scale),
            to_model @ self.after_turn(direction, -mesh_turn, layout, "mesh.rotation"),
        )
        position = origin + scale * distance * direction

        ids = normal_ids[triangle]
        normal_model = interpolate(weights, normals[ids[0]], normals[ids[1]], normals[ids[2]])
        unit_normal = normalized(model_rotation @ normal_model)
        normal = weights[3] * self.after_turn(unit_normal, mesh_turn, layout, "mesh.rotation")
        albedo = interpolate(weights, vertex_albedo[corners[0]], vertex_albedo[corners[1]], vertex_albedo[corners[2]])
        return weights, position, normal, albedo

    @ti.func
    def radiance_of(
        self,
        light,
        k,
        row,
        pose,
        position,
        normal,
        albedo,
        rotations: ti.template(),
        values: ti.template(),
        layout: ti.template(),
    ):
        """What one light contributes to a pixel, linear RGB, (3,); the first light brings the ambient term along.

        Args:
            light: the light.
            k: whose slots are read.
            row: see :meth:`locate`, likewise ``pose``, ``rotations``, ``values`` and ``layout``.
            pose: likewise.
            position: what :meth:`locate` returns, and the next two likewise.
            normal: as above.
            albedo: as above.
            rotations: as above.
            values: as above.
            layout: as above.
        """
        camera_rotation = rotations[2 * pose + 1]
        backwards = ti.Vector([camera_rotation[i, 2] for i in range(3)])
        to_eye = layout.camera.to_eye(
            position,
            self.read(values, row, layout, "camera.position"),
            self.after_turn(backwards, self.turn(layout, "camera.rotation"), layout, "camera.rotation"),
        )
        direction = self.read(values, row, layout, "light.direction")
        if ti.static("light.direction" in layout.perturbed):
            direction = normalized(direction)
        surface = layout.structs.Surface(
            self.with_slot(position, k, layout, "surface.position"),
            self.with_slot(normal, k, layout, "surface.normal"),
            self.with_slot(self.read(values, row, layout, "mesh.albedo") * albedo, k, layout, "surface.albedo"),
            self.with_slot(normalized(to_eye), k, layout, "surface.to_eye"),
        )
        lamp = layout.structs.Light(
            self.with_slot(-direction, k, layout, "light.to_light"),
            self.with_slot(self.read(values, row, layout, "light.color"), k, layout, "light.color"),
        )
        constants = layout.structs.Constants(
            *[
                self.with_slot(self.read(values, row, layout, name), k, layout, name)[0]
                for name in ti.static(layout.constants)
            ]
        )
        radiance = layout.shader.reflect(surface, lamp, constants)
        if light == 0:
            radiance += layout.shader.ambient(surface, constants)
        return radiance
