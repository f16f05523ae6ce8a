"""From the cotangents of a shader's inputs on to the scene's parameters, in closed form.

Taichi differentiates the shader. What comes before it, where a pixel sees its triangle and what is interpolated there,
has a derivative of a few lines, which costs a third of what Taichi makes of it. The derivatives that forward mode and
differences take of :meth:`tdr.render.pixel.PixelFunctions.locate` share nothing with what is written here.

The triangle that a pixel sees is held fixed. To move the mesh is then to move the pixel's ray the other way, so
everything goes through the cotangent of one vector: the shift of the ray where it meets the triangle.
"""

from tdr.backend import ti, tm
from tdr.render.interpolator import ray_slopes
from tdr.render.layout import VECTOR
from tdr.render.pixel import PixelFunctions
from tdr.scene.transforms import tangential

# The cotangents of what places mesh and camera, each in the shape of its parameter: vectors in world space, those of
# turns per radian, that of the lens per radian or world unit.
Pose = ti.types.struct(
    translation=VECTOR, rotation=VECTOR, scale=ti.f64, camera_position=VECTOR, camera_rotation=VECTOR, lens=ti.f64
)


@ti.data_oriented
class PullBackFunctions(PixelFunctions):
    """The derivatives of what :class:`PixelFunctions` compute before shading, read in reverse."""

    @ti.func
    def take(self, k, name: ti.template()):
        """The cotangent that reverse passes left in a slot, which is cleared for the next ones: they add to it."""
        cotangent = self.slots[name].grad[k]
        self.slots[name].grad[k] = ti.Vector.zero(ti.f64, ti.static(self.slots[name].n))
        return cotangent

    @ti.func
    def write(
        self,
        cotangent,
        place,
        light,
        num_lights,
        stride,
        columns: ti.template(),
        layout: ti.template(),
        name: ti.template(),
    ):
        """Write a parameter's cotangent, (size,), to its columns if it has been asked for."""
        if ti.static(name in layout.pulled_back):
            first = ti.static(layout.columns_before(name, False)) + num_lights * ti.static(
                layout.columns_before(name, True)
            )
            if ti.static(layout.parameter(name).per_light):
                first += light * ti.static(layout.size(name))
            for n in ti.static(range(layout.size(name))):
                columns[place + (first + n) * stride] = cotangent[n]

    @ti.func
    def pull_back_pose(
        self,
        k,
        triangle,
        position,
        normal,
        albedo_cotangent,
        vertices: ti.template(),
        triangles: ti.template(),
        normals: ti.template(),
        normal_ids: ti.template(),
        vertex_albedo: ti.template(),
        rotations: ti.template(),
        values: ti.template(),
        layout: ti.template(),
    ):
        """The cotangents of the mesh's pose and of the camera, from those in the slots of the surface.

        Args:
            k: whose slots are taken.
            triangle: the triangle that the pixel sees.
            position: what :meth:`locate` returned, world space; likewise ``normal``.
            normal: likewise.
            albedo_cotangent: the cotangent of the vertices' interpolated albedo, (3,).
            vertices: see :meth:`locate`, likewise all that follow.
            triangles: likewise.
            normals: likewise.
            normal_ids: likewise.
            vertex_albedo: likewise.
            rotations: likewise.
            values: likewise; the first row is read.
            layout: what is compiled.

        Returns:
            A ``Pose``.
        """
        model_rotation = rotations[0]
        camera_rotation = rotations[1]
        to_model = model_rotation.transpose()
        scale = self.read(values, 0, layout, "mesh.scale")[0]
        camera_position = self.read(values, 0, layout, "camera.position")
        from_mesh = position - self.read(values, 0, layout, "mesh.translation")
        from_camera = position - camera_position
        backwards = ti.Vector([camera_rotation[i, 2] for i in range(3)])

        position_cotangent = self.take(k, "surface.position")
        normal_cotangent = self.take(k, "surface.normal")

        # Through the unit vector towards the eye.
        to_eye = layout.camera.to_eye(position, camera_position, backwards)
        inverse_distance = 1.0 / ti.sqrt(tm.dot(to_eye, to_eye))
        to_eye_cotangent = inverse_distance * tangential(self.take(k, "surface.to_eye"), inverse_distance * to_eye)
        eye_position, eye_turn = layout.camera.pull_back_to_eye(to_eye, to_eye_cotangent)
        position_cotangent -= eye_position

        # Through the unit normal and the albedo to the barycentrics of the second and the third corner.
        corners = triangles[triangle]
        ids = normal_ids[triangle]
        corner_0 = vertices[corners[0]]
        slope_1, slope_2, slope_distance = ray_slopes(
            corner_0, vertices[corners[1]], vertices[corners[2]], to_model @ to_eye
        )
        inverse_scale = 1.0 / scale
        from_corner = inverse_scale * (to_model @ from_mesh) - corner_0
        normal_0 = normals[ids[0]]
        normal_1 = normals[ids[1]] - normal_0
        normal_2 = normals[ids[2]] - normal_0
        interpolated = normal_0 + tm.dot(slope_1, from_corner) * normal_1 + tm.dot(slope_2, from_corner) * normal_2
        # The shading normal points to the camera's side, the interpolated one may point to the other.
        length = tm.dot(interpolated, to_model @ normal)
        interpolated_cotangent = (1.0 / length) * (to_model @ tangential(normal_cotangent, normal))
        albedo_0 = vertex_albedo[corners[0]]
        b_1_cotangent = tm.dot(interpolated_cotangent, normal_1) + tm.dot(
            albedo_cotangent, vertex_albedo[corners[1]] - albedo_0
        )
        b_2_cotangent = tm.dot(interpolated_cotangent, normal_2) + tm.dot(
            albedo_cotangent, vertex_albedo[corners[2]] - albedo_0
        )

        # To the shift of the ray, by which the pixel's position slides over the triangle's plane. The vector towards
        # the eye is as good as the ray: neither its length nor its sign matters.
        along = scale * tm.dot(to_eye, position_cotangent)
        shift = b_1_cotangent * slope_1 + b_2_cotangent * slope_2 + along * slope_distance
        mesh_shift = inverse_scale * (model_rotation @ shift)
        camera_shift = position_cotangent + mesh_shift

        # A larger extent moves the ray away from the camera's axis, in proportion to how far away it is.
        extent = self.extent(values, 0, layout)
        magnification = tm.dot(from_camera, camera_shift) - tm.dot(backwards, from_camera) * tm.dot(
            backwards, camera_shift
        )
        return Pose(
            -mesh_shift,
            tm.cross(mesh_shift, from_mesh) + tm.cross(normal, normal_cotangent),
            -inverse_scale * tm.dot(mesh_shift, from_mesh),
            camera_shift + eye_position,
            tm.cross(from_camera, camera_shift) + eye_turn,
            layout.camera.extent_slope(extent) / extent * magnification,
        )
