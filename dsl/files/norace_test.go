//go:build !race

package files_test

// slowness is how many times slower code runs under the race detector, which is off.
const slowness = 1
