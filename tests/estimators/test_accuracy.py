"""On real tables the shortest call is at least as good as a linear model that was prepared with care."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from planefold import MLPClassifier


def test_titanic_from_the_raw_file(data_dir: Path) -> None:
    table = pd.read_csv(data_dir / "titanic" / "train.csv")
    target = next(name for name in table.columns if name.lower() == "survived")
    learn, judge = train_test_split(table, test_size=0.3, random_state=0, stratify=table[target])

    numbers = [name for name in table.columns if name.lower() in ("age", "fare", "sibsp", "parch", "pclass")]
    words = [name for name in table.columns if name.lower() in ("sex", "embarked")]
    linear = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), words),
        ),
        LogisticRegression(),
    ).fit(learn, learn[target])
    model = MLPClassifier(random_state=0).fit(learn, target)

    ours, theirs = (roc_auc_score(judge[target], m.predict_proba(judge)[:, 1]) for m in (model, linear))
    assert ours > theirs - 0.01
    assert np.mean(model.predict(judge) == judge[target]) > 0.75
