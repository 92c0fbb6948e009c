package admin

// Busy does something while the plane is busy.
func (p *Plane) Busy(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}
