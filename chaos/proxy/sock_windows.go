package proxy

// waitRead reads once. Here a buffer is needed to wait.
func (in *reader) waitRead() (int, error) {
	in.ensure()
	return in.src.Read(in.buf)
}
