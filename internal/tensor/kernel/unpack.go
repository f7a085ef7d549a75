package kernel

// Unpack writes the weights, as products see them, to dst [out, in], row-major.
func (p *Packed) Unpack(dst []float32) {
	checkEqual("Unpack", len(dst), p.out*p.in)
	Parallel(ceil(p.out, p.wide.width), 1, func(lo, hi int) {
		room := rooms.Get().(*room)
		defer rooms.Put(room)
		for j := lo; j < hi; j++ {
			p.unpackPanel(dst, j, room.panel[:])
		}
	})
}

// unpackPanel writes the rows of panel j. buffer is room for a block of its columns.
func (p *Packed) unpackPanel(dst []float32, j int, buffer []float32) {
	width := p.wide.width
	from := j * width
	rows := min(width, p.out-from)
	for k0 := 0; k0 < p.in; k0 += widenBlock {
		kc := min(widenBlock, p.in-k0)
		block := buffer
		switch p.format {
		case F32:
			block = p.words[j*p.panel+k0*width:]
		case BF16:
			p.widen(buffer, j, k0, (kc+1)&^1)
		case Int8:
			p.widen(buffer, j, k0, kc)
		}
		transpose(dst[from*p.in+k0:], p.in, block, width, kc, rows)
	}
}
