"""The Hessian: is the ground curved like a bowl, a saddle or a valley?

The gradient says how steep the ground is. The Hessian says how the slope changes as you walk on: how the ground is
curved. It tells a valley from the top of a pass, and how long a step may be before it overshoots. It even shows how the
weights of a trained network could move with hardly any effect.

Needs: the lesson `gradient`; a matrix is a table of numbers.
"""

# %% The slope of the slope
# The gradient of z = x^2 + 2 y^2 is (2x, 4y). Walk along x: its first entry grows by 2 with each unit, the second does
# not. Walk along y: the second grows by 4. Written as a table, a row for each entry: [[2, 0], [0, 4]], the **Hessian**
# H. This one is the same everywhere: z is a **quadratic function**, without powers above the second.
import numpy as np

import planefold as pf


def z(p):
    return p[0] ** 2 + 2 * p[1] ** 2


H = pf.calculus.hessian(z, [1.0, 2.0])
print("Hessian of x^2 + 2 y^2:", H.tolist())
assert H.tolist() == [[2, 0], [0, 4]]
assert pf.calculus.hessian(z, [-3.0, 0.5]).tolist() == H.tolist()

# %% The curvature along a direction of your own
# Along p = (-2, 1), in steps of length 1, the slope of the slope is p'Hp / |p|^2. By hand: H times p is (-4, 4), that
# times p is 8 + 4 = 12, and |p|^2 is 5: so 12/5 = 2.4. It lies between 2 and 4, the smallest and the largest there is.
p = np.array([-2.0, 1.0])
curvature = pf.calculus.directional_derivative(z, [0.5, 0.5], p, order=2)
print(f"p'Hp = {p @ H @ p:.0f}, |p|^2 = {p @ p:.0f}: curvature along (-2, 1) is {curvature:.1f}")
assert np.allclose([curvature, p @ H @ p / (p @ p)], 2.4)
turns = ([np.cos(t), np.sin(t)] for t in np.deg2rad(np.arange(0, 360, 5)))
around = [pf.calculus.directional_derivative(z, [0.5, 0.5], turn, order=2) for turn in turns]
print(f"in all directions: from {min(around):.0f} to {max(around):.0f}")
assert np.allclose([min(around), max(around)], [2, 4])

# %% Eigenvalues: the curvatures that say it all
# Every Hessian has special directions, at right angles to each other: H times such a direction is a multiple of it.
# They are its **eigenvectors**. The multiples are its **eigenvalues**, the curvatures along them. Their signs name a
# quadratic function's shape: both above 0, a bowl; both below, a hill; one of each, a saddle; one 0, a valley or ridge.
shapes = {
    "bowl": lambda p: p[0] ** 2 + 2 * p[1] ** 2,
    "saddle": lambda p: p[0] ** 2 - p[1] ** 2,
    "valley": lambda p: (p[0] - p[1]) ** 2,
    "ridge": lambda p: 4 - (p[0] + p[1]) ** 2,
}
curvatures = {name: np.linalg.eigvalsh(pf.calculus.hessian(shape, [0.0, 0.0])) for name, shape in shapes.items()}
for name, expected in {"bowl": (2, 4), "saddle": (-2, 2), "valley": (0, 4), "ridge": (-4, 0)}.items():
    print(f"{name:>6}: eigenvalues {curvatures[name][0]:4.1f} and {curvatures[name][1]:4.1f}")
    assert np.allclose(curvatures[name], expected)

# %% How long a step may be
# Gradient descent steps against the gradient, by `a` (the **learning rate**) times its length. On a bowl the distance
# to the floor along each of these directions is multiplied by 1 - a * eigenvalue. All of them shrink only while `a` is
# below 2 / (largest eigenvalue): here 2 / 4 = 0.5.
limit = 2 / curvatures["bowl"].max()
assert limit == 0.5
for rate in (0.1, 0.49, 0.51):
    q = np.array([0.5, 0.5])
    for _ in range(200):
        q = q - rate * pf.calculus.gradient(z, q)
    print(f"learning rate {rate:.2f}: after 200 steps z = {z(q):.2g}")
    assert (z(q) < 0.75) == (rate < limit)  # z = 0.75 was the start

# %% The same for a network: 7 weights, 7 curvatures
# A tiny network with two hidden units learns a bump. Its loss (how wrong it is) is a landscape over its seven weights
# and biases. We stop where the gradient is almost 0 and ask for the Hessian: 7 rows, 7 columns, 7 eigenvalues.
X = np.linspace(-2, 2, 41)[:, None]
y = np.exp(-(X[:, 0] ** 2))
tiny = {"hidden_layer_sizes": (2,), "activation": "tanh", "n_members": 1, "skip": None, "alpha": 0, "solver": "lbfgs"}
model = pf.MLPRegressor(**tiny, max_iter=1000, tol=1e-12, random_state=0).fit(X, y)
loss = model.objective_function(X, y)
slope = np.linalg.norm(pf.calculus.gradient(loss, loss.theta))  # theta: all weights and biases in one list
values, vectors = np.linalg.eigh(pf.calculus.hessian(loss, loss.theta))
print(f"\na network, gradient {slope:.0e}; eigenvalues:", *(f"{value:.2g}" for value in values))
assert slope < 1e-2
assert values.min() > -1e-3  # no direction bends down
assert values.max() > 500 * np.abs(values).min()

# %% What the curvatures say: a narrow valley
# The largest is many hundred times the smallest. Across the valley the loss rises fast, and the learning rate must be
# below 2 / largest. Along it hardly anything changes: other weights, nearly the same loss. Walk 0.3 in each:
steep, flat = vectors[:, -1], vectors[:, 0]
walk = np.linspace(-0.3, 0.3, 41)
across, along = (np.array([loss(loss.theta + t * direction) for t in walk]) for direction in (steep, flat))
print(f"loss: {across[20]:.6f} on the floor, {across[-1]:.6f} after 0.3 across, {along[-1]:.6f} after 0.3 along it")
assert across[-1] - across[20] > 50 * abs(along[-1] - along[20])

# %% The pictures: four shapes, and the network's valley
axes = pf.plots.panels(2, 2, size=(7, 6.4))
for ax, (name, shape) in zip(axes, shapes.items(), strict=True):
    title = f"{name}: {curvatures[name][0]:.0f} and {curvatures[name][1]:.0f}".replace("-", "−")
    pf.plots.landscape(shape, ((-1, 1), (-1, 1)), levels=8, equal=True, title=title, ax=ax)
pf.plots.save(axes[0], "hessian.png")
ax = pf.plots.lines({"across": (walk, across), "along": (walk, along)}, x="distance walked", y="loss",
                    title="The network's valley")  # fmt: skip
pf.plots.save(ax, "hessian_network.png")
