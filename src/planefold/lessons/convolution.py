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


def slide(pictures, weights):
    rows, columns = pictures.shape[-2] - 2, pictures.shape[-1] - 2  # the filter fits in two places less each way
    return sum(weights[i, j] * pictures[..., i : i + rows, j : j + columns] for i in range(3) for j in range(3))


answer = slide(picture, edges)
print(f"a picture of 8 x 8 pixels, an answer of {answer.shape[0]} x {answer.shape[1]} numbers:\n{answer.astype(int)}")
assert answer[2, 1] == (picture[2:5, 1:4] * edges).sum() == 3  # one place by hand; rows and columns count from 0
assert answer[2].tolist() == [0, 3, 3, 0, -3, -3]  # the left edge is +, the right edge -

# %% It is a full layer whose weights are mostly zero, and the others shared
# A full layer has a weight from each of the 64 pixels to each of the 36 answers. Which weights do the same as the
# filter? Slide it over pictures with one bright pixel each: that shows which answers the pixel reaches, and how. A full
# layer for a brain scan of 176 x 208 pixels has over a billion weights and biases; a filter has 9 and a bias.
full = slide(np.eye(64).reshape(64, 8, 8), edges).reshape(64, 36)  # a row for each pixel
assert np.array_equal(picture.ravel() @ full, answer.ravel())  # the same answers
print("\npicture      full layer      one filter")
for rows, columns in ((8, 8), (28, 28), (176, 208)):
    n_full = (rows * columns + 1) * (rows - 2) * (columns - 2)
    print(f"{rows:3} x {columns:3}  {n_full:13,}   {9 + 1:13}")
assert n_full == 36_609 * 35_844 == 1_312_212_996

# %% If the picture moves, the answer moves along
# The box goes one pixel to the right, and so does the answer. The word for that is *equivariant*.
moved = slide(np.roll(picture, 1, axis=1), edges)
assert np.array_equal(moved[:, 1:], answer[:, :-1])
print("\nrow 2 of the answer:", answer[2].astype(int).tolist(), "after the move:", moved[2].astype(int).tolist())

# %% Pooling: whether, rather than exactly where
# Cut the answer into square areas and keep only the **largest** number of each. That is max pooling. A small move often
# stays inside an area, and then nothing changes. With a single area for the whole picture no move matters, as long as
# the box stays inside: the number says whether there is such an edge, and not where.
boxes = np.zeros((5, 14, 14))
for k in range(5):
    boxes[k, 4:9, 2 + k : 7 + k] = 1  # the same box, each time one pixel further right
seen, changes = np.maximum(slide(boxes, edges), 0), []  # ReLU units: what is below 0 becomes 0
for side in (1, 2, 4, 12):
    pooled = seen.reshape(5, 12 // side, side, 12 // side, side).max(axis=(2, 4))
    changes.append(np.abs(np.diff(pooled, axis=0)).sum() / pooled[:-1].sum())
    print(f"areas of {side:2} x {side:2}: a move by one pixel changes {changes[-1]:4.0%} of what is there")
assert changes[0] == 1 > changes[1] > changes[2] > changes[3] == 0

# %% A ball at a place never seen in training
# Half of 1,000 noisy pictures of 12 x 12 pixels have a ball, always on the **left** side. One classifier gets the
# pixels themselves. The same classifier gets eight numbers instead: the largest answer of each of eight filters. The
# filters are random here, to show what the sliding alone is worth; in a convolutional network they are learned as well.
rng = np.random.default_rng(0)
ball, filters = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]), rng.normal(size=(8, 3, 3))


def take_pictures(n, first_column):
    found = rng.normal(scale=0.15, size=(n, 12, 12))
    for k in range(0, n, 2):  # every second picture has a ball
        row, column = rng.integers(10), first_column + rng.integers(4)
        found[k, row : row + 3, column : column + 3] += ball
    largest = np.column_stack([slide(found, one).max(axis=(1, 2)) for one in filters])
    return {"pixels": found.reshape(n, -1), "filters": largest}, np.arange(n) % 2 == 0


(learn, y_learn), *tests = take_pictures(1000, 0), take_pictures(400, 0), take_pictures(400, 6)
settings = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (32,), "solver": "lbfgs", "alpha": 1.0, "max_iter": 1000}
right_of_ten = {}
print("\nright answers of ten; guessing gets 5")
for name in learn:
    model = pf.MLPClassifier(**settings, random_state=0).fit(learn[name], y_learn)
    for side, (numbers, y) in zip(("left", "right"), tests, strict=True):
        right_of_ten[f"{name}, {side}"] = score = 10 * model.score(numbers[name], y)
        print(f"  {name + ',':8} ball on the {side:5} {score:5.1f}")
        assert score > 9 if (name, side) != ("pixels", "right") else score < 6  # no brightness was seen there

# %% The pictures: what the filter sees, and who finds the ball
parts = {"picture": picture, "filter": edges, "answer: edges": answer}
for ax, (title, numbers) in zip(board := pf.plots.panels(3, size=(9.6, 3.6)), parts.items(), strict=True):
    pf.plots.matrix(numbers, title=title, digits=0, ax=ax)
pf.plots.save(board[0], "convolution.png")
ax = pf.plots.bars(right_of_ten, y="right answers of ten", title="trained with the ball on the left")
pf.plots.save(ax, "convolution_ball.png")
