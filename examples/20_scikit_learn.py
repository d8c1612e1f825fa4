"""A network as a scikit-learn estimator: in a pipeline and a search, and with every gradient in sight."""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, train_test_split

import denpa as dp
from denpa.sklearn import DenpaClassifier
from denpa.train.callbacks import GradientTape

X, y = load_breast_cancer(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)

model = DenpaClassifier((16,), early_stopping=True, learning_rate_init=0.01, random_state=0)
search = GridSearchCV(model, {"alpha": [1e-4, 1.0], "dropout": [0.0, 0.2]}, cv=3).fit(X, y)
print(f"best of the search: {search.best_params_}, accuracy on the test rows {search.score(X_test, y_test):.3f}")

tape = GradientTape(every=10)
watched = DenpaClassifier(**{**search.best_estimator_.get_params(), "callbacks": [tape]}).fit(X, y)
for step, norm in zip(tape.steps, tape.norms()["0.weight"], strict=True):
    print(f"step {step:3}: the first layer's gradient has the norm {norm:.4f}")
print(
    f"stopped after {watched.n_iter_} epochs; lowest loss on the rows it watched: {watched.best_validation_loss_:.4f}"
)

x = (X_test - X.mean(axis=0)) / X.std(axis=0)
wrong = np.flatnonzero(watched.predict(X_test) != y_test)
t = y_test[wrong[:1], None].astype(float)
document = dp.explain(watched.network_, "0.weight[1,2]", x=x[wrong[:1]], t=t)
print("of one row that it got wrong:", document.title.en)
