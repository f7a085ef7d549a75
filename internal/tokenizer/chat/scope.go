package chat

import "slices"

// Scopes. Jinja decides before a template runs where each name lives: every loop, macro, with, block of set, filter and
// call has a scope of its own. A name that a scope assigns is its own from the scope's beginning, where it starts as what
// the surrounding scopes have under it, as what the caller passed, or as nothing. The rules for which of these are
// reproduced here in full, since templates exist that depend on them (set inside a loop does not leak out of it; inside
// an if it does).

// A place is where a name lives: so many frames up, at an index there.
type place struct{ up, index int }

// A scope is what a frame is made from.
type scope struct {
	names []string
	loads []load // how each name starts
}

// A load is how a name of a scope starts.
type load struct {
	kind  loadKind
	outer place // of an alias, seen from the scope's own frame
}

type loadKind int

const (
	missingAtFirst loadKind = iota
	fromCaller              // looked up among what the caller passed and the globals
	fromOuter               // the value of the surrounding scope
	parameter               // set by what opens the scope
)

// symbols are what is known of the names of a scope while it is analyzed.
type symbols struct {
	parent *symbols
	loads  map[string]loadKind
	stores map[string]bool
	scope  *scope
}

func (s *symbols) inner() *symbols {
	return &symbols{parent: s, loads: map[string]loadKind{}, stores: map[string]bool{}, scope: &scope{}}
}

// finds tells whether a name has a place in the scope or a surrounding one.
func (s *symbols) finds(name string) bool {
	for ; s != nil; s = s.parent {
		if _, ok := s.loads[name]; ok {
			return true
		}
	}
	return false
}

func (s *symbols) load(name string) {
	if !s.finds(name) {
		s.loads[name] = fromCaller
	}
}

func (s *symbols) store(name string) {
	s.stores[name] = true
	if _, ok := s.loads[name]; ok {
		return
	}
	if s.parent.finds(name) {
		s.loads[name] = fromOuter
	} else {
		s.loads[name] = missingAtFirst
	}
}

func (s *symbols) declare(name string) {
	s.stores[name] = true
	s.loads[name] = parameter
}

// copy is for a branch, which may or may not be taken.
func (s *symbols) copy() *symbols {
	out := &symbols{parent: s.parent, loads: map[string]loadKind{}, stores: map[string]bool{}, scope: s.scope}
	for name, kind := range s.loads {
		out.loads[name] = kind
	}
	for name := range s.stores {
		out.stores[name] = true
	}
	return out
}

// join takes over what branches know. A name that some branch assigns and that was not assigned before may keep what it
// was.
func (s *symbols) join(branches []*symbols) {
	before := s.stores
	s.stores = map[string]bool{}
	assigned := map[string]bool{}
	for _, b := range branches {
		for name, kind := range b.loads {
			s.loads[name] = kind
		}
		for name := range b.stores {
			s.stores[name] = true
			assigned[name] = !before[name]
		}
	}
	for name := range before {
		s.stores[name] = true
	}
	for name, isNew := range assigned {
		if !isNew {
			continue
		}
		if s.parent.finds(name) {
			s.loads[name] = fromOuter
		} else {
			s.loads[name] = fromCaller
		}
	}
}

// index is where a name lives in the scope's frames.
func (s *symbols) index(name string) int {
	i := slices.Index(s.scope.names, name)
	if i < 0 {
		i = len(s.scope.names)
		s.scope.names = append(s.scope.names, name)
	}
	return i
}

// place finds a name, which must have a place.
func (s *symbols) place(name string) place {
	up := 0
	for ; s != nil; s = s.parent {
		if _, ok := s.loads[name]; ok {
			return place{up, s.index(name)}
		}
		up++
	}
	fail("the name '%s' is used where Jinja cannot find it", name)
	return place{}
}

// finish fixes how the names of the scope start.
func (s *symbols) finish() *scope {
	for name := range s.loads {
		s.index(name)
	}
	slices.Sort(s.scope.names)
	s.scope.loads = make([]load, len(s.scope.names))
	for i, name := range s.scope.names {
		l := load{kind: s.loads[name]}
		if l.kind == fromOuter {
			l.outer = s.parent.place(name)
		}
		s.scope.loads[i] = l
	}
	return s.scope
}
