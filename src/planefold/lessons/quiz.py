"""Quiz: questions as an examination asks them.

Ten questions on everything so far. Cover the answers, take paper and a pencil, and write down your own. Then look: the
program works each one out, from the definition or by trying, and checks itself.

Needs: the lessons named in each question.
"""

# %% 1. How many parameters do the networks 2-3-1, 4-3 (softmax) and 8-12-8-1 have?
# A layer has (inputs + 1) times units of them: a weight from each input, and a bias (lesson `parameter_counts`).
import numpy as np

import planefold as pf

counts = [int(np.dot(np.array(sizes[:-1]) + 1, sizes[1:])) for sizes in ((2, 3, 1), (4, 3), (8, 12, 8, 1))]
print("1. parameters of 2-3-1, 4-3 and 8-12-8-1:", counts)
assert counts == [13, 15, 221]

# %% 2. How many multiplications is one answer of 2-12-1, and of 2-3-4-1?
# One for each weight; biases are only added (lesson `parameter_counts`).
products = [int(np.dot(sizes[:-1], sizes[1:])) for sizes in ((2, 12, 1), (2, 3, 4, 1))]
print("2. multiplications of 2-12-1 and 2-3-4-1:", products)
assert products == [36, 22]

# %% 3. A table has 15 rows, a batch 3. How many iterations are an epoch? And with 16 rows?
# An epoch sees every row once. Left-over rows are a smaller batch of their own (lesson `batches`).
iterations = [len(range(0, n_rows, 3)) for n_rows in (15, 16)]
print("3. iterations per epoch with 15 and with 16 rows:", iterations)
assert iterations == [5, 6]

# %% 4. One hidden layer of 5 ReLU units: how many planes at most, on one input and on two?
# n cuts make n + 1 pieces of a line, and (n^2 + n + 2) / 2 parts of a plane (lesson `most_planes`).
most = [pf.reading.bounds((n_inputs, 5, 1)).upper for n_inputs in (1, 2)]
print("4. planes at most with 5 units, on one input and on two:", most)
assert most == [5 + 1, (5**2 + 5 + 2) // 2] == [6, 16]

# %% 5. One input, two classes: into how many stretches can 1, 2 and 3 hidden ReLU units divide the line?
# A slide says n + 2. That is right from n = 3 on. With one or two units there are fewer, because the slopes of the
# pieces depend on each other (lesson `decision_regions`). Count how often the output changes its sign: in many random
# networks with 1 or 2 units, and in one network with 3 units that goes up, down, up and down again through zero.
t = np.linspace(-50, 50, 4001)[:, None]


def stretches(net):
    return 1 + int(np.diff(net.outputs(t)[:, 0] > 0).sum())


tried = [max(stretches(pf.reading.random_net((1, n, 1), seed)) for seed in range(300)) for n in (1, 2)]
three = pf.networks.from_weights([[[1, 1, -1]], [[-2], [1.5], [-1]]], [[0, -2, 6], [7]])
print("5. stretches with 1, 2 and 3 units:", [*tried, stretches(three)])
assert [*tried, stretches(three)] == [2, 3, 5]

# %% 6. A perceptron has the weights (1, 0). At p = (0, -2) it says 1, but the target is 0. What are the new weights?
# The error is e = target - answer = -1, and the rule adds e times p (lesson `perceptron`).
w, p, error = np.array([1, 0]), np.array([0, -2]), 0 - 1
print("6. new weights:", (w + error * p).tolist())
assert (w + error * p).tolist() == [1, 2]

# %% 7. There are 25 rows of class 1 and one of class 0. Which weights make both classes count alike?
# All rows, divided by the number of classes times the rows of the class (lesson `imbalance`).
in_class = np.array([1, 25])
weights = in_class.sum() / (2 * in_class)
print("7. balanced weights of class 0 and 1:", weights.tolist())
assert np.allclose(weights, [13.0, 0.52])


# %% 8. z = x^2 + 2 y^2: what is the largest stable learning rate? How steep is z at (1, 2) in the direction (-2, 1)?
# The rate is 2 / 4, as the largest second derivative is 4 (lesson `learning_rates`). The slope is the product of the
# gradient (2, 8) with the direction, divided by the direction's length: 4 / sqrt 5. The second derivative in that
# direction is 12 / 5 everywhere (lessons `gradient` and `hessian`).
def bowl(p):
    return p[0] ** 2 + 2 * p[1] ** 2


largest = 2 / np.linalg.eigvalsh(pf.calculus.hessian(bowl, [1, 2])).max()
steep, bend = (pf.calculus.directional_derivative(bowl, [1, 2], [-2, 1], order=k) for k in (1, 2))
print(f"8. largest stable rate {largest:.1f}; derivatives in the direction (-2, 1): {steep:.3f}, {bend:.1f}")
assert np.allclose([largest, steep, bend], [0.5, 4 / np.sqrt(5), 2.4])

# %% 9. The training loss falls and falls, the validation loss turns round after a while. What is it called?
# `pf.diagnose` reads any two curves (lesson `learning_curves`).
epochs = np.arange(30)
history = {"loss": 0.05 + 0.9 * 0.82**epochs, "val_loss": 0.4 + 0.6 * 0.75**epochs + 0.02 * epochs}
verdict = pf.diagnose(log=history).verdict
print("9. these curves show:", verdict)
assert verdict == "overfit"

# %% 10. Dropout leaves out 30 % of the units. By which number are the others multiplied, and why?
# By 1 / 0.7: then the mean stays what it is without dropout (lesson `dropout`).
scale = 1 / (1 - 0.3)
kept = np.random.default_rng(0).random(100_000) >= 0.3
print(f"10. factor {scale:.3f}; the mean of 100,000 ones, after dropout: {(kept * scale).mean():.3f}")
assert np.isclose((kept * scale).mean(), 1, atol=0.02)

# %% The picture: the curves of question 9
losses = {"training loss": (epochs + 1, history["loss"]), "validation loss": (epochs + 1, history["val_loss"])}
lowest = {"lowest": int(history["val_loss"].argmin()) + 1}
ax = pf.plots.lines(losses, x="epoch", y="loss", title=f"question 9: {verdict}", marks=lowest)
pf.plots.save(ax, "quiz.png")
