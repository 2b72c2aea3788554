#!/bin/sh
# From a table to a model, its report, and predictions for rows it has not seen.
# Usage: sh tools/demo.sh PLANEFOLD     (the path of the planefold command)
set -eu

if [ $# -ne 1 ]; then
    echo "usage: sh tools/demo.sh PLANEFOLD" >&2
    exit 2
fi
planefold=$1

run() {
    echo
    echo "\$ planefold $*"
    "$planefold" "$@"
}

mkdir -p demo
run examples breast_cancer --output demo/train.csv --holdout demo/new.csv
run train demo/train.csv --target diagnosis --output demo/model.fold --report demo/report.html
run predict demo/model.fold demo/new.csv --output demo/predictions.csv
run read demo/model.fold demo/new.csv --row 1

echo
echo "\$ head -n 6 demo/predictions.csv"
head -n 6 demo/predictions.csv

echo
echo "The report is a single page that needs no network: open demo/report.html in a browser."
