module tradewind/tools/prometheus-operator

go 1.26.0

// For its resource definitions alone: nothing of it is built.
require github.com/prometheus-operator/prometheus-operator v0.92.1
