package proxy

import "sync"

// A chunk of a bulk stream that is only to be delayed waits inside a pipe of the kernel,
// which takes it from the one socket and gives it to the other without copying it.
const (
	// pipeSize is the most that a pipe is made to hold: what Linux lets anybody have.
	pipeSize = 1 << 20
	// pipeLeast has to be waiting before a pipe is made for it, which takes some 10 µs.
	pipeLeast = 64 << 10
	// pipesMost is how many a proxy has at a time. What comes meanwhile waits in memory.
	pipesMost = lineBudget / pipeSize
	// filesForPipes is the part of its descriptors that a process has for the pipes of a
	// proxy, of which each takes two.
	filesForPipes = 8
)

// pipes counts the pipes of a proxy. Each is made for one chunk and closed when that has
// left: nothing idle is kept, and no pipe has a rest of anybody's bytes.
type pipes struct {
	mu         sync.Mutex
	open, most int
}

// add asks for one more.
func (p *pipes) add() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open >= p.most {
		return false
	}
	p.open++
	return true
}

// remove gives one back.
func (p *pipes) remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open--; p.open == 0 {
		p.most = mostPipes()
	}
}

// deny gives one back that could not be had: descriptors or the memory that the system lets
// a user have in pipes are used up. Three of four that are open have to do until all of them
// are closed, so that something is left for others. Where there is none at all it is not
// tried again.
func (p *pipes) deny() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	p.most = p.open * 3 / 4
}
