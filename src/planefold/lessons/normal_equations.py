"""Linear regression in one step: the normal equations.

Seven houses, two columns (bedrooms and WCs) and a price. Which price per bedroom and per WC fits best? "Best" means:
the sum of the squared errors is as small as it can be. That has an answer in closed form, with no training loop.

Needs: what a matrix product is.
"""

# %% The table: the first five houses are to learn from, the last two to test
import numpy as np

import planefold as pf

X = np.array([[3, 2], [2, 2], [4, 2], [2, 1], [4, 3], [3, 2], [2, 1]], dtype=float)
y = np.array([35, 30, 47, 28, 50, 33, 27], dtype=float)  # millions
X_train, y_train, X_test, y_test = X[:5], y[:5], X[5:], y[5:]

# %% The model is price = w1 * bedrooms + w2 * WCs
# For all houses at once that is a matrix product, `X w`. The sum of squared errors is |y - Xw|^2. Where it is smallest
# its gradient, -2 X'(y - Xw), is zero. So `w` solves the **normal equations** (X'X) w = X'y. They are two equations
# with two unknowns: 49 w1 + 32 w2 = 609 and 32 w1 + 22 w2 = 402.
XtX, Xty = X_train.T @ X_train, X_train.T @ y_train
print("X'X =", XtX.tolist())
print("X'y =", Xty.tolist())
assert XtX.tolist() == [[49, 32], [32, 22]]
assert Xty.tolist() == [609, 402]

# %% The solution
# `np.linalg.solve` does what elimination does on paper: subtract a multiple of one equation from the other. It is
# quicker and more exact than computing the inverse of X'X, which the formula w = (X'X)^-1 X'y seems to ask for.
w = np.linalg.solve(XtX, Xty)
print(f"w = [{w[0]:.4f}, {w[1]:.4f}]: a bedroom adds {w[0]:.2f} million, a WC {w[1]:.2f} million")
assert np.allclose(w, [89 / 9, 35 / 9])  # a slide that says 3.08 for the second misread 3.88

# %% How well it fits, and what it says of houses it has not seen
fitted = X_train @ w
print("fitted:", fitted.round(3).tolist())
assert np.allclose(fitted, [37.444, 27.556, 47.333, 23.667, 51.222], atol=5e-4)
errors = y_train - fitted
print(f"sum of squared errors: {errors @ errors:.3f}")
assert np.isclose(errors @ errors, 97 / 3)
assert np.allclose(X_train.T @ errors, 0)  # the errors are at a right angle to every column: that is the equation above
predicted = X_test @ w
print("test houses:", predicted.round(3).tolist(), "instead of", y_test.tolist())
assert np.allclose(predicted - y_test, [4.444, -3.333], atol=5e-4)

# %% With an intercept
# So far a house without bedrooms and WCs costs nothing. A column of ones before the others gives the model a price to
# start from.
with_ones = np.column_stack([np.ones(5), X_train])
w1 = np.linalg.solve(with_ones.T @ with_ones, with_ones.T @ y_train)
better = y_train - with_ones @ w1
print(f"start {w1[0]:.1f}, bedroom {w1[1]:.1f}, WC {w1[2]:.1f}; sum of squared errors {better @ better:.1f}")
assert np.allclose(w1, [7.5, 8.5, 2.5])
assert np.isclose(better @ better, 11.5)

# %% All seven houses, and three with an exact answer
w7 = np.linalg.lstsq(X, y)[0]
print("all seven:", w7.round(3).tolist())
assert np.allclose(w7, [10.459, 2.838], atol=5e-4)
three = np.array([[2, 1], [4, 3], [2, 1.5]])
baht = np.linalg.lstsq(three, [2_100_000, 4_300_000, 2_150_000])[0]
print(f"three houses in baht: {baht.round(2).tolist()}; 3 bedrooms and 2 WCs: {baht @ [3, 2]:,.0f}")
assert np.allclose(baht, [1_000_000, 100_000])
assert np.isclose(baht @ [3, 2], 3_200_000)

# %% A network without hidden units is the same model
# Trained step by step it arrives where the normal equations were at once.
plain = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (), "alpha": 0, "solver": "lbfgs", "max_iter": 1000}
model = pf.MLPRegressor(**plain, random_state=0)
model.fit(X_train, y_train)
print("by training:", model.predict(X_test).round(3).tolist())
assert np.allclose(model.predict(X_test), w1[0] + X_test @ w1[1:], atol=1e-2)

# %% The picture: price against what the model says
left, right = pf.plots.panels(2)
line = np.array([20.0, 55.0])
for ax, name, found in ((left, "no intercept", fitted), (right, "with an intercept", y_train - better)):
    pf.plots.lines({"exact": (line, line)}, x="price (millions)", y="fitted (millions)", title=name, ax=ax)
    ax.plot(y_train, found, "o", markersize=9, color="#D55E00", label="houses")
    ax.legend(frameon=False, fontsize=11)
pf.plots.save(left, "normal_equations.png")
