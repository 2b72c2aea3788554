"""Linear regression in one step: the normal equations.

Seven houses, two columns (bedrooms and WCs) and a price. Which price per bedroom and per WC fits best? "Best" means:
the sum of the squared errors is as small as it can be. The answer comes from two equations with two unknowns, and needs
no training at all. Networks do need training. Where both ways are possible they must agree, and here they do.

Needs: two equations with two unknowns, and that a parabola is lowest where its slope is 0.
"""

# %% The table: the first five houses are to learn from, the last two to test
import numpy as np

import planefold as pf

X = np.array([[3, 2], [2, 2], [4, 2], [2, 1], [4, 3], [3, 2], [2, 1]], dtype=float)
y = np.array([35, 30, 47, 28, 50, 33, 27], dtype=float)  # millions
X_train, y_train, X_test, y_test = X[:5], y[:5], X[5:], y[5:]

# %% The model is price = w1 * bedrooms + w2 * WCs
# A **matrix** is a table of numbers, such as `X`: a row for each house. The product `X w` multiplies each row with the
# weights, entry by entry, and adds up: one price for each house. The errors are what is left, `y - Xw`. The sum of
# their squares is a valley over the plane of all (w1, w2): like a parabola, but in two directions. At the bottom both
# slopes are 0. Together they are `-2 X'(y - Xw)`, where `X'` is `X` with rows and columns exchanged. Set them to 0, and
# there stand the **normal equations**, `(X'X) w = X'y`. Here: 49 w1 + 32 w2 = 609 and 32 w1 + 22 w2 = 402.
measured = pf.calculus.central_difference(lambda w: np.sum((y_train - X_train @ w) ** 2), [10.0, 4.0])  # rise over run
assert np.allclose(measured, -2 * X_train.T @ (y_train - X_train @ [10, 4]))
XtX, Xty = X_train.T @ X_train, X_train.T @ y_train
print("X'X =", XtX.tolist(), " X'y =", Xty.tolist())
assert XtX.tolist() == [[49, 32], [32, 22]]
assert Xty.tolist() == [609, 402]

# %% The solution: two numbers, with a pencil or with one call
# With a pencil: 22 times the first equation less 32 times the second leaves (22*49 - 32*32) w1 = 22*609 - 32*402, so
# 54 w1 = 534. For any number of columns `np.linalg.solve` does the same. It is quicker, and mostly more exact, than the
# inverse of X'X, which the formula `w = (X'X)^-1 X'y` seems to ask for. (A slide prints "3.08" here: a misread 3.88.)
w = np.linalg.solve(XtX, Xty)
print(f"w1 = 534/54 = {w[0]:.3f} million for a bedroom, w2 = 210/54 = {w[1]:.3f} million for a WC")
assert np.allclose(w, [89 / 9, 35 / 9])
assert np.allclose(w, np.linalg.inv(XtX) @ Xty)

# %% How well it fits, and what it says of houses it has not seen
# Nothing is left in the errors that the columns could explain: each column times the errors is 0 (but for the rounding
# in the last digit). In geometry that is a right angle. Another word for it is normal: hence the name.
fitted = X_train @ w
errors = y_train - fitted
print("prices:", y_train.tolist())
print("fitted:", fitted.round(3).tolist(), "(with 10 and 4 instead, the last is 40 + 12 = 52)")
print(f"sum of squared errors: {errors @ errors:.3f}; each column times errors: {abs(X_train.T @ errors).max():.0e}")
assert np.allclose(fitted, [37.444, 27.556, 47.333, 23.667, 51.222], atol=5e-4)
assert np.isclose(errors @ errors, 97 / 3)
assert np.allclose(X_train.T @ errors, 0)
predicted = X_test @ w
print("test houses:", predicted.round(3).tolist(), "instead of", y_test.tolist())
assert np.allclose(predicted, [37.444, 23.667], atol=5e-4)
assert np.allclose(predicted - y_test, [4.444, -3.333], atol=5e-4)

# %% With an intercept: a price to start from
# So far a house without bedrooms and WCs costs nothing. A column of ones before the others gives the model a price to
# start from, the **intercept**. In a network it is called the bias.
with_ones = np.column_stack([np.ones(5), X_train])
w_with = np.linalg.solve(with_ones.T @ with_ones, with_ones.T @ y_train)
left_over = y_train - with_ones @ w_with
print(f"start {w_with[0]:.1f}, bedroom {w_with[1]:.1f}, WC {w_with[2]:.1f}")
print(f"sum of squared errors: {left_over @ left_over:.1f} instead of {errors @ errors:.1f}")
assert np.allclose(w_with, [7.5, 8.5, 2.5])
assert np.isclose(left_over @ left_over, 11.5)

# %% All seven houses, and three with an exact answer
w_seven = np.linalg.lstsq(X, y)[0]  # "least squares": the same answer as the normal equations, in one call
print("all seven houses, no intercept:", w_seven.round(3).tolist())
assert np.allclose(w_seven, [10.459, 2.838], atol=5e-4)
three = np.array([[2, 1], [4, 3], [2, 1.5]])
baht = np.linalg.lstsq(three, [2_100_000, 4_300_000, 2_150_000])[0]
print(f"three houses in baht: a bedroom {baht[0]:,.0f}, a WC {baht[1]:,.0f}; 3 and 2 of them: {baht @ [3, 2]:,.0f}")
assert np.allclose(baht, [1_000_000, 100_000])
assert np.isclose(baht @ [3, 2], 3_200_000)

# %% A network without hidden units is the same model
# Trained step by step it arrives where the normal equations were at once.
plain = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (), "alpha": 0, "solver": "lbfgs", "max_iter": 1000}
model = pf.MLPRegressor(**plain, random_state=0).fit(X_train, y_train)
in_one_step = w_with[0] + X_test @ w_with[1:]
print("test houses, in one step:", in_one_step.round(2).tolist())
print("test houses, by training:", model.predict(X_test).round(2).tolist())
assert np.allclose(model.predict(X_test), in_one_step, atol=1e-2)

# %% The pictures: the valley and its lowest point, and the fit
ax = pf.plots.landscape(
    lambda p: sum((price - p[0] * a - p[1] * b) ** 2 for (a, b), price in zip(X_train, y_train, strict=True)),
    ((0, 20), (-10, 20)), paths={f"lowest: ({w[0]:.2f}, {w[1]:.2f})": [w]}, levels=[32, 60, 150, 500, 2000, 8000],
    x="million per bedroom (w1)", y="million per WC (w2)", title="Sum of squared errors",
)  # fmt: skip
pf.plots.save(ax, "normal_equations.png")
line = np.array([20.0, 55.0])
ax = pf.plots.lines({"exact": (line, line)}, x="price (millions)", y="what the model says (millions)",
                    title="Five houses, two models")  # fmt: skip
ax.plot(y_train, fitted, "o", markersize=10, color="#D55E00", label="no intercept")
ax.plot(y_train, y_train - left_over, "s", markersize=9, color="#009E73", label="with an intercept")
ax.legend(frameon=False, fontsize=12)
pf.plots.save(ax, "normal_equations_fit.png")
