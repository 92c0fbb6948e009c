//go:build race

package app_test

// memoryFactor is what the race detector multiplies memory with, roughly.
const memoryFactor = 3
