"""Convolution: one small filter for the whole picture.

A picture is a table of brightnesses. If every pixel is connected to every unit, a network has millions of weights. What
it learns about the left half of its pictures it does not know about the right half. A **convolution** has one small
table of weights, a *filter*, and slides it over the picture: the same few numbers everywhere. That is called parameter
sharing. Here it is done with a pencil, compared with a full layer, and tried on balls at places never seen before.

Needs: the lessons `forward` and `parameter_counts`.
"""

# %% A filter looks at three by three pixels at a time
# Lay the filter on the upper left corner. Multiply each of its nine numbers by the pixel below it and add up: that is
# one number of the answer. Move on by one pixel, and so on, row by row. This filter subtracts the pixels on its left
# from those on its right. So it answers at upright **edges**, where dark turns to bright, and says 0 on an even ground.
import numpy as np

import planefold as pf

picture = np.zeros((8, 8))
picture[2:6, 3:6] = 1  # a bright box on dark ground
edges = np.array([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]])
one_place = (picture[2:5, 1:4] * edges).sum()  # rows 2 to 4, columns 1 to 3
print("row 2, column 1:", one_place)
assert one_place == 3


def slide(pictures, weights):
    rows, columns = pictures.shape[-2] - 2, pictures.shape[-1] - 2  # the filter fits in two places less each way
    return sum(weights[i, j] * pictures[..., i : i + rows, j : j + columns] for i in range(3) for j in range(3))


answer = slide(picture, edges)
print(f"the picture has {picture.shape} pixels, the answer {answer.shape} numbers:\n{answer.astype(int)}")
assert answer.shape == (6, 6)
assert answer[2, 1] == one_place
assert answer[2].tolist() == [0, 3, 3, 0, -3, -3]  # the left edge is +, the right edge -

# %% It is a full layer whose weights are mostly zero, and the others shared
# A full layer would have a weight from each of the 64 pixels to each of the 36 answers. Which weights do the same as
# the filter? Slide it over pictures with one bright pixel each: pixel k shows which answers it reaches, and how. That
# is row k of the full layer's weights.
one_pixel_each = np.eye(64).reshape(64, 8, 8)
full = slide(one_pixel_each, edges).reshape(64, 36)
assert np.array_equal(picture.ravel() @ full, answer.ravel())  # the same answers
used = slide(one_pixel_each, np.ones((3, 3))).sum()  # weights at which a filter has a number
print(
    f"\nfull layer: {full.size} weights; the filter sits on {used:.0f} of them, with 9 numbers: each is used 36 times"
)
assert used == 9 * 36

# %% How many numbers training has to find
# A filter has 9 weights and a bias, however large the picture is. A full layer with as many answers needs about the
# square of the number of pixels. For brain scans of 176 x 208 pixels that is over a billion.
print("\npicture      full layer      one filter")
for rows, columns in ((8, 8), (28, 28), (176, 208)):
    n_answers = (rows - 2) * (columns - 2)
    n_full = (rows * columns + 1) * n_answers
    print(f"{rows:3} x {columns:3}  {n_full:13,}   {9 + 1:13}")
assert n_full == 36_609 * 35_844 == 1_312_212_996

# %% If the picture moves, the answer moves along
# The box goes one pixel to the right. The answer is the old one, moved by one pixel; the word for that is
# *equivariant*. Nothing had to be learned again for the new place.
moved = np.roll(picture, 1, axis=1)
answer_moved = slide(moved, edges)
assert np.array_equal(answer_moved[:, 1:], answer[:, :-1])
print("\nrow 2 of the answer:", answer[2].astype(int).tolist(), "after the move:", answer_moved[2].astype(int).tolist())

# %% Pooling: whether, rather than exactly where
# Cut the answer into square areas and keep only the **largest** number of each. That is max pooling. A small move often
# stays inside an area, and then nothing changes. The larger the areas, the less a move matters; with a single area for
# the whole picture it does not matter at all: the number says whether there is such an edge, and not where. (The units
# are ReLU units here: what is below 0 becomes 0.)
boxes = np.zeros((5, 14, 14))
for k in range(5):
    boxes[k, 4:9, 2 + k : 7 + k] = 1  # the same box, each time one pixel further right
seen = np.maximum(slide(boxes, edges), 0)
print("\narea       sum of all changes when the box moves by one pixel, in percent of the sum of all numbers")
changes = []
for side in (1, 2, 4, 12):
    pooled = seen.reshape(5, 12 // side, side, 12 // side, side).max(axis=(2, 4))
    changes.append(np.abs(np.diff(pooled, axis=0)).sum() / pooled[:-1].sum())
    print(f"{side:2} x {side:2}    {changes[-1]:4.0%}")
assert changes[0] == 1
assert changes == sorted(changes, reverse=True)
assert changes[-1] == 0

# %% A ball at a place never seen in training
# Half of 1,000 noisy pictures of 12 x 12 pixels have a ball, always on the **left** side. One classifier gets the
# pixels themselves. The same classifier gets eight numbers instead: the largest answer of each of eight filters. The
# filters are random here, to show what the sliding alone is worth; in a convolutional network they are learned as well.
rng = np.random.default_rng(0)
ball = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
filters = rng.normal(size=(8, 3, 3))


def take_pictures(n, first_column):
    found = rng.normal(scale=0.15, size=(n, 12, 12))
    for k in range(0, n, 2):  # every second picture has a ball
        row, column = rng.integers(10), first_column + rng.integers(4)
        found[k, row : row + 3, column : column + 3] += ball
    return found, np.arange(n) % 2 == 0


def as_pixels(pictures):
    return pictures.reshape(len(pictures), -1)


def as_answers(pictures):
    return np.column_stack([slide(pictures, one).max(axis=(1, 2)) for one in filters])


learn, y_learn = take_pictures(1000, first_column=0)
tests = {"left": take_pictures(400, first_column=0), "right": take_pictures(400, first_column=6)}
settings = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (32,), "solver": "lbfgs", "alpha": 1.0, "max_iter": 1000}
right_of_ten, shown = {}, {"pixels": as_pixels, "filter answers": as_answers}
for name, numbers in shown.items():
    model = pf.MLPClassifier(**settings, random_state=0).fit(numbers(learn), y_learn)
    for side, (pictures, y) in tests.items():
        right_of_ten[f"{name}: {side}"] = 10 * model.score(numbers(pictures), y)
print("\nball on the left or right: right answers of ten (guessing: 5)")
for name, score in right_of_ten.items():
    print(f"  {name:28} {score:4.1f}")
assert right_of_ten["pixels: left"] > 9
assert right_of_ten["pixels: right"] < 6  # it has never seen brightness there
assert min(right_of_ten["filter answers: left"], right_of_ten["filter answers: right"]) > 9

# %% The pictures: what the filter sees, and who finds the ball
left, middle, right = pf.plots.panels(3, size=(9.6, 3.5))
pf.plots.matrix(picture, title="picture", digits=0, ax=left)
pf.plots.matrix(edges, title="filter", digits=0, ax=middle)
pf.plots.matrix(answer, title="answer: edges", digits=0, ax=right)
for ax in (left, middle, right):
    ax.set_aspect("equal")
pf.plots.save(left, "convolution.png")
ax = pf.plots.bars(right_of_ten, y="right answers of ten", title="trained with the ball on the left")
pf.plots.save(ax, "convolution_ball.png")
