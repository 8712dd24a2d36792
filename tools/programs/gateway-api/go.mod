module tradewind/tools/gateway-api

go 1.26.0

// For its resource definitions alone: nothing of it is built. The last one that needs no newer Go.
require sigs.k8s.io/gateway-api v1.6.3
