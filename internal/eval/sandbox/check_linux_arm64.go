package sandbox

// foreignCalls enter the kernel as other architectures do. A process of this
// machine cannot enter it as a 32-bit one.
var foreignCalls []attempt
