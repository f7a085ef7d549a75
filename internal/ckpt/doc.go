// Package ckpt is how anything gets into and out of files: safetensors
// (header.go, file.go, model.go, write.go, half.go), files under a memory map
// (mapped.go), output that appears whole or not at all (atomic.go), folders that
// one process has to itself (lock.go), text (text.go), JSON lines (jsonl.go), logs
// that survive an interruption (log.go) and TensorBoard event files (events.go).
//
// It knows bytes, shapes and slices. It knows neither tensors with gradients,
// nor models, nor what any file of the project means; of our packages
// it imports those below it alone.
//
// Errors are one line and start with the file's name.
package ckpt
