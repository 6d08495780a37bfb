// The editor: CodeMirror for Python, in a shadow root, where its styles are constructed sheets and the
// page's policy needs no inline style.

import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import {
  bracketMatching, ensureSyntaxTree, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting,
} from "@codemirror/language";
import { EditorState, Prec, StateEffect, StateField } from "@codemirror/state";
import {
  Decoration, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap,
  lineNumbers, WidgetType,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

// How long the parser may take to find an import. Milliseconds; a program is some thousand characters.
const PARSE_MS_MAX = 200;

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.self], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.className],
    color: "var(--code-name)" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

const looks = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--well)", fontSize: "var(--typed)", height: "100%" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6" },
  ".cm-content": { padding: "10px 0", caretColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--well)", color: "var(--muted)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 10px 0 14px", minWidth: "2.6em" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--line-active)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    { background: "var(--selection)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--selection)" },
  ".cm-trouble": { backgroundColor: "var(--bad-well)", boxShadow: "inset 3px 0 var(--bad)" },
  ".cm-trouble-text": {
    padding: "2px 10px 4px", color: "var(--bad)", backgroundColor: "var(--bad-well)",
    boxShadow: "inset 3px 0 var(--bad)", fontFamily: "var(--sans)", fontSize: "13px",
    whiteSpace: "pre-wrap", overflowWrap: "anywhere",
  },
});

class TroubleText extends WidgetType {
  constructor(text) {
    super();
    this.text = text;
  }

  eq(other) {
    return other.text === this.text;
  }

  toDOM() {
    const element = document.createElement("div");
    element.className = "cm-trouble-text";
    element.textContent = this.text;
    return element;
  }
}

const setTroubles = StateEffect.define();

// What is wrong, below its line, until the program is changed.
const troubles = StateField.define({
  create: () => Decoration.none,
  update(shown, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(setTroubles)) return decorate(transaction.state.doc, effect.value);
    }
    return transaction.docChanged ? Decoration.none : shown;
  },
  provide: (field) => EditorView.decorations.from(field),
});

function decorate(doc, list) {
  const ranges = [];
  for (const { line, text } of list) {
    if (line < 1 || line > doc.lines) continue;
    const { from, to } = doc.line(line);
    ranges.push(Decoration.line({ class: "cm-trouble" }).range(from));
    const widget = new TroubleText(text);
    ranges.push(Decoration.widget({ widget, block: true, side: 1 }).range(to));
  }
  return Decoration.set(ranges, true);
}

// Typing over a selection. Left to the browser, it may write an inline style on the way, which the
// page's policy refuses with a line in the console.
function typeOver(event, view) {
  const { main } = view.state.selection;
  if (event.inputType !== "insertText" || event.isComposing || !event.data || main.empty) return false;
  const insert = () => view.state.update(view.state.replaceSelection(event.data), {
    scrollIntoView: true, userEvent: "input.type",
  });
  const handlers = view.state.facet(EditorView.inputHandler);
  if (!handlers.some((handle) => handle(view, main.from, main.to, event.data, insert))) {
    view.dispatch(insert());
  }
  return true;
}

// An editor inside `host`; `changed` hears of every change, `run` of Ctrl+Enter.
export function makeEditor(host, { label, describedBy, changed, run }) {
  const root = host.attachShadow({ mode: "open" });
  // A description cannot be referred to from inside: it is told in place.
  const description = document.createElement("p");
  description.id = "description";
  description.hidden = true;
  description.textContent = describedBy;
  root.append(description);
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      extensions: [
        lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(),
        closeBrackets(), highlightActiveLine(), highlightActiveLineGutter(),
        EditorState.tabSize.of(4), indentUnit.of("    "),
        python(), syntaxHighlighting(colours), looks, troubles,
        EditorView.lineWrapping, EditorView.domEventHandlers({ beforeinput: typeOver }),
        EditorView.contentAttributes.of({ "aria-label": label, "aria-describedby": "description" }),
        Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => (run(), true) }])),
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]),
        EditorView.updateListener.of((update) => update.docChanged && changed()),
      ],
    }),
  });
  return {
    get text() {
      return view.state.doc.toString();
    },
    set text(text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
    },
    focus: () => view.focus(),
    // Marks lines: `[{line, text}]`, lines counted from 1.
    mark(list) {
      const effects = [setTroubles.of(list)];
      const first = list.find(({ line }) => line >= 1 && line <= view.state.doc.lines);
      if (first) {
        const at = view.state.doc.line(first.line).from;
        effects.push(EditorView.scrollIntoView(at, { y: "nearest", yMargin: 40 }));
      }
      view.dispatch({ effects });
    },
    goTo(line) {
      const at = view.state.doc.line(Math.min(line, view.state.doc.lines)).from;
      view.dispatch({ selection: { anchor: at }, scrollIntoView: true });
      view.focus();
    },
    // The lines that import a module, by its top-level name.
    importsOf(module) {
      const { doc } = view.state;
      const lines = [];
      const tree = ensureSyntaxTree(view.state, doc.length, PARSE_MS_MAX);
      tree?.iterate({
        enter({ name, from, to }) {
          if (name !== "ImportStatement") return;
          const words = doc.sliceString(from, to).match(/[\w.]+/gu) ?? [];
          // `from X import …` brings X; `import X as Y, Z` brings X and Z.
          const brought = words[0] === "from"
            ? words.slice(1, 2)
            : words.slice(1).filter((word, index, all) => word !== "as" && all[index - 1] !== "as");
          if (brought.some((path) => path.split(".")[0] === module)) {
            lines.push(doc.lineAt(from).number);
          }
        },
      });
      return lines;
    },
  };
}
