package top

import (
	"context"
	"fmt"

	"github.com/gdamore/tcell/v3"
	"github.com/gdamore/tcell/v3/color"
)

// Live shows the live view on the terminal of this process until the person has enough of it.
func Live(ctx context.Context, source Source, first Snapshot) error {
	// Nothing that is shown depends on what the terminal would answer, for which tcell waits up to a second.
	screen, err := tcell.NewScreen(tcell.OptNegotiation(false))
	if err != nil {
		return fmt.Errorf("open the terminal: %w", err)
	}
	if err := screen.Init(); err != nil {
		return fmt.Errorf("set the terminal: %w", err)
	}
	defer screen.Fini()
	return Run(ctx, source, first, screen)
}

// keyOf is the key of an event.
func keyOf(event *tcell.EventKey) Key {
	if event.Key() == tcell.KeyRune {
		if text := []rune(event.Str()); len(text) == 1 && event.Modifiers()&(tcell.ModAlt|tcell.ModCtrl|tcell.ModMeta) == 0 {
			return Key(text[0])
		}
		return None
	}
	return map[tcell.Key]Key{
		tcell.KeyCtrlC: Quit, tcell.KeyCtrlD: Quit,
		tcell.KeyUp: Up, tcell.KeyDown: Down, tcell.KeyLeft: Left, tcell.KeyRight: Right,
		tcell.KeyPgUp: PageUp, tcell.KeyPgDn: PageDown, tcell.KeyHome: Home, tcell.KeyEnd: End,
		tcell.KeyEnter: Enter, tcell.KeyCtrlJ: Enter, tcell.KeyEscape: Back,
		tcell.KeyBackspace: Erase, tcell.KeyBackspace2: Erase, tcell.KeyDelete: Erase,
	}[event.Key()]
}

// look is how a style looks. Where the cursor is can be seen without colours too.
func look(s Style) tcell.Style {
	style := tcell.StyleDefault
	switch s {
	case Bold:
		return style.Bold(true)
	case Dim:
		return style.Dim(true)
	case Red:
		return style.Foreground(color.Maroon) // the red of the terminal's own palette
	case Selected:
		return style.Reverse(true)
	default:
		return style
	}
}
