"""Forward: from the inputs to the answer, layer by layer.

A network of two inputs, three hidden units and one output computes its answer in two small steps, each of them a
weighted sum and an activation. Do it with a pencil for one row, then for all rows at once. Then see that a trained
model of the library does just this, on a real table.

Needs: the lessons `perceptron` and `activations`; a matrix is a table of numbers.
"""

# %% The weights of a 2-3-1 network
# `W1` has a row for each input and a column for each hidden unit: the number in row i and column j is what input i
# counts for unit j. `b1` has one bias for each unit. `W2` and `b2` do the same from the three units to the output.
import numpy as np

import planefold as pf

W1 = np.array([[1.0, -1.0, 0.5], [0.5, 1.0, -1.0]])
b1 = np.array([0.0, 0.0, 0.5])
W2 = np.array([[1.0], [-0.5], [2.0]])
b2 = np.array([-0.5])


def relu(z):
    return np.maximum(z, 0)


def logistic(z):
    return 1 / (1 + np.exp(-z))


# %% One row, with a pencil
# Each layer does two things: `z = a W + b`, the weighted sums, and then `a = g(z)`, the activations. `a W` multiplies
# the numbers in `a` with those in a column of `W` and adds up, for one column after the other. The `a` of one layer
# goes into the next; the first `a` is the row itself. In the hidden layer `g` is relu: what is below 0 becomes 0.
x = np.array([1.0, 2.0])
z1 = x @ W1 + b1
a1 = relu(z1)
print("x  =", x.tolist())
print(f"z1 = [1*1 + 2*0.5 + 0, 1*(-1) + 2*1 + 0, 1*0.5 + 2*(-1) + 0.5] = {z1.tolist()}")
print("a1 =", a1.tolist(), "  the third unit is off")
assert z1.tolist() == [2, 1, -1]
assert a1.tolist() == [2, 1, 0]
# The output is to be a probability, so its activation is the logistic function.
z2 = a1 @ W2 + b2
a2 = logistic(z2)
print(f"z2 = 2*1 + 1*(-0.5) + 0*2 - 0.5 = {z2[0]}")
print(f"a2 = 1 / (1 + e^-1) = {a2[0]:.4f}: the answer is 1, with a probability of {a2[0]:.0%}")
assert z2.tolist() == [1]
assert np.isclose(a2[0], 0.7311, atol=5e-5)

# %% All rows at once: the same two formulas
# Put four rows below one another: `X` has the **shape** (4, 2), four rows and two columns. (4, 2) times (2, 3) gives
# (4, 3): the inner numbers must agree, the outer ones remain. The biases are added to every row.
X = np.array([[1.0, 2.0], [2.0, 0.0], [0.0, 1.0], [-1.0, 1.0]])
Z1 = X @ W1 + b1
A1 = relu(Z1)
Z2 = A1 @ W2 + b2
A2 = logistic(Z2)
print(f"\nX {X.shape} W1 {W1.shape} -> Z1 {Z1.shape};  A1 {A1.shape} W2 {W2.shape} -> Z2 {Z2.shape}")
print("   X               Z1                  A1             Z2      A2")
for row in zip(X, Z1, A1, Z2, A2, strict=True):
    print("  ".join(" ".join(f"{number:5.2f}" for number in part) for part in row))
assert (X.shape, Z1.shape, Z2.shape) == ((4, 2), (4, 3), (4, 1))
assert Z1.tolist() == [[2, 1, -1], [2, -2, 1.5], [0.5, 1, -0.5], [-0.5, 2, -1]]
assert Z2.ravel().tolist() == [1, 4.5, -0.5, -1.5]
assert np.array_equal(A2[0], a2)  # the first row is the one from above

# %% Why the activation must be there
# Leave relu out, and the two layers collapse into one: (X W1 + b1) W2 + b2 is X (W1 W2) plus a constant. However many
# such layers there are, the result is a plain weighted sum of the inputs and a bias.
without = (X @ W1 + b1) @ W2 + b2
one_layer = X @ (W1 @ W2) + (b1 @ W2 + b2)
print("\nZ2 without relu:", without.ravel().tolist(), "= one layer with weights", (W1 @ W2).ravel().tolist())
assert np.allclose(without, one_layer)
assert not np.allclose(without, Z2)

# %% A trained model does nothing else
# Train a network on the table of 150 irises: 4 measurements, 5 hidden units, 3 species. Its weights lie in `coefs_`
# and its biases in `intercepts_`. Three outputs take softmax instead of the logistic function.
table, target = pf.load_example("iris")
names = [name for name in table.names if name != target]
flowers = np.column_stack([table[name] for name in names])
plain = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (5,), "solver": "lbfgs", "alpha": 1.0, "max_iter": 2000}
model = pf.MLPClassifier(**plain, random_state=0).fit(flowers, table[target])
(V1, V2), (c1, c2) = model.coefs_, model.intercepts_
powers = np.exp(relu(flowers @ V1 + c1) @ V2 + c2)
by_hand = powers / powers.sum(axis=1, keepdims=True)
by_model = model.predict_proba(flowers)
print(f"\niris: {flowers.shape} {V1.shape} {V2.shape} -> {by_hand.shape}")
print("first iris, probabilities by hand :", by_hand[0].round(6).tolist())
print("first iris, probabilities by model:", by_model[0].round(6).tolist())
print(f"largest difference in {by_hand.size} probabilities: {abs(by_hand - by_model).max():.0e}")
assert np.allclose(by_hand, by_model, atol=1e-12)

# %% The picture: the first row on its way, an activation in each circle and a weight on each line
ax = pf.plots.diagram([2, 3, 1], weights=[W1, W2], biases=[b1, b2], values=[x, a1, a2],
                      names=["inputs x", "a1 = relu(z1)", "a2 = logistic(z2)"],
                      title="Forward: z = a W + b, then a = g(z)")  # fmt: skip
pf.plots.save(ax, "forward.png")
