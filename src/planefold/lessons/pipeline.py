"""The pipeline: from a table to answers that can be trusted.

Five steps, always in this order: the table, the split, the transformer, the model, the judgement. The order matters
more than the model. Whatever has seen the rows of the test can no longer be judged by them. You will see coins,
which nobody can predict, "predicted" far too well by two common mistakes. The doctor of the library names one of them.

Needs: nothing but percentages.
"""

# %% 1. The table: a row for each tumour
# 569 breast tumours. Each row is one tumour, each of 30 columns a measurement, and the last column says what it turned
# out to be: malignant or benign. That is the **target**: what a model is to predict from the others, the **features**.
import numpy as np

import planefold as pf

table, target = pf.load_example("breast_cancer")
features = [name for name in table.names if name != target]
print(f"{table.n_rows} rows, {len(features)} features, target: {target}")
assert (table.n_rows, len(features)) == (569, 30)

# %% 2. The split: put the exam away first
# An exam must not consist of the questions that were practised. So a quarter of the rows is put away before anything
# else: the **test** part. It is drawn by chance, with about the same share of each class in both parts.
train, test = pf.data.split_rows(table.n_rows, test_size=0.25, y=table[target], random_state=0)
X_train, X_test = table.select(features).take(train), table.select(features).take(test)
y_train, y_test = table[target][train], table[target][test]
share, always = (np.mean(part == "benign") for part in (y_train, y_test))
print(f"{len(train)} rows to learn from ({share:.1%} benign), {len(test)} to test ({always:.1%})")
assert not set(train) & set(test)

# %% 3. The transformer: all columns on one scale
# One column has numbers around 0.1, another around 600. A network learns badly from that. So each column is shifted
# and divided until most numbers lie between -2 and 2. By how much is **learned from the training part only** (`fit`),
# and then applied to both parts (`transform`).
encoder = pf.TableEncoder(encoding="linear").fit(X_train)
Z_train, Z_test = encoder.transform(X_train), encoder.transform(X_test)
print("mean_area of four:", X_train["mean_area"][:4], "after:", Z_train[:4, features.index("mean_area")].round(2))
assert np.mean(abs(Z_train) < 2) > 0.9
assert abs(np.median(Z_train, axis=0)).max() < 1e-5  # the middle of each column is 0 in the training part ...
assert abs(np.median(Z_test, axis=0)).max() > 0.05  # ... and not in the test part, which had no say in it

# %% 4. The model, and 5. the judgement: right answers on rows never seen
# **Accuracy** is the share of right answers. Only the one on the test part says how the model will do on new tumours.
# Compare it with the simplest answer of all: always the more frequent class. The model is a network with 10 units.
small = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (10,), "solver": "lbfgs", "max_iter": 2000}
model = pf.MLPClassifier(**small, random_state=0).fit(Z_train, y_train)
on_train, on_test = model.score(Z_train, y_train), model.score(Z_test, y_test)
print(f"\naccuracy: training {on_train:.1%}, test {on_test:.1%}; always 'benign': {always:.1%}")
assert on_train > on_test > 0.9 > always

# %% All of it in one line: four networks, whose answers are averaged, with the transformer inside
model = pf.MLPClassifier(n_members=4, random_state=0).fit(X_train, y_train)
model.save("pipeline.fold")
answers = pf.load("pipeline.fold").predict(X_test)
print(f"as one model, saved and loaded: test {np.mean(answers == y_test):.1%}; the first three: {answers[:3].tolist()}")
assert np.mean(answers == y_test) > 0.93
assert np.array_equal(answers, model.predict(X_test))

# %% The first mistake: choosing columns before the split
# Now toss a coin for each of 100 rows, with 5,000 columns of random numbers: nobody can predict it. Keep the 20 columns
# that go best with the coins, and judge a simple model on 50 rows that were put away. Choosing by the training rows is
# honest. Choosing by all rows, "to tidy up first", is not.
rng, right = np.random.default_rng(0), np.zeros((20, 2))
for again in range(20):
    noise, coins = rng.normal(size=(100, 5_000)), rng.choice([-1.0, 1.0], size=100)
    for place, seen in enumerate((slice(50), slice(100))):  # the training rows, or all
        best = np.argsort(abs(noise[seen].T @ coins[seen]))[-20:]
        guess = noise[50:][:, best] @ np.sign(noise[:50].T @ coins[:50])[best]  # each chosen column votes
        right[again, place] = np.mean(np.sign(guess) == coins[50:])
honest, chosen = right.mean(axis=0)
print(f"\na coin, accuracy on test rows: columns chosen by training rows {honest:.0%}, by all rows {chosen:.0%}")
assert 0.44 < honest < 0.56 < 0.7 < chosen

# %% The second mistake: the same row on both sides
# Rows are often copies: a patient who came twice, a file read twice. Take 300 tumours, toss a coin for each instead of
# the diagnosis, and let each row come twice. Then about three of four test rows have their twin in the training part. A
# network that learns by heart is right about those and guesses the rest: 75 % + 25 % / 2 = 87.5 %.
rows, coins = encoder.transform(table.select(features)), rng.choice(["heads", "tails"], size=569)
learn, ask = (side // 2 for side in pf.data.split_rows(600, test_size=0.25, random_state=0))  # 0, 0, 1, 1, 2, 2, ...
large = small | {"hidden_layer_sizes": (50,), "alpha": 1e-3}
copied = pf.MLPClassifier(**large, random_state=0).fit(rows[learn], coins[learn]).score(rows[ask], coins[ask])
apart = pf.MLPClassifier(**large, random_state=0).fit(rows[:300], coins[:300]).score(rows[300:], coins[300:])
print(f"a coin, accuracy on test rows: with copies on both sides {copied:.0%}, without copies {apart:.0%}")
assert 0.35 < apart < 0.65 < 0.75 < copied

# %% The doctor sees the copies
# Each finding has a code, the evidence, the reason (why), and what to do (try). It also sees that the labels look like
# chance. On the honest split of the tumours it finds nothing.
both = [{**{f"x{i}": rows[side, i] for i in range(30)}, "coin": coins[side]} for side in (learn, ask)]
diagnosis = pf.diagnose(data=both[0], validation=both[1], target="coin")
print(diagnosis)
assert "DA402" in {finding.code for finding in diagnosis}
assert pf.diagnose(data=table.take(train), validation=table.take(test), target=target).healthy

# %% The picture: a coin, "predicted"
ax = pf.plots.bars({"columns by\ntraining": 100 * honest, "columns by\nall rows": 100 * chosen,
                    "no copies": 100 * apart, "copies on\nboth sides": 100 * copied},
                   y="accuracy on test rows (%)", title="Predicting a coin: 50 % is the truth", digits=2)  # fmt: skip
pf.plots.save(ax, "pipeline.png")
