package runtime

// AwaitEnd waits until a held effect has ended by itself. Its Answer says how.
func (b *Branch) AwaitEnd(h *Held) error {
	if err := b.check(); err != nil {
		return err
	}
	if !h.e.done {
		h.e.await(b)
	}
	for !h.e.done {
		if err := b.over(); err != nil {
			return err
		}
		b.park()
	}
	return b.over()
}
