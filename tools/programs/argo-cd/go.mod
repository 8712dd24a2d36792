module tradewind/tools/argo-cd

go 1.26.0

// For its resource definitions alone: nothing of it is built.
require github.com/argoproj/argo-cd/v3 v3.5.1
