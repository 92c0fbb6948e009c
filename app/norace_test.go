//go:build !race

package app_test

// memoryFactor is 1: nothing adds to a process's memory.
const memoryFactor = 1
