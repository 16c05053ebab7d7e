// Light or dark: as the system has it, or as it was chosen here; on paper always light.

class Theme {
  constructor(changed) {
    this.changed = changed;
    this.system = window.matchMedia('(prefers-color-scheme: dark)');
    this.isPrinting = false;
    this.chosen = this.remembered();
    byId('theme').querySelectorAll('input').forEach((input) => (input.checked = input.value === this.chosen));
    byId('theme').addEventListener('change', (event) => this.choose(event.target.value));
    this.system.addEventListener('change', () => this.apply(true));
    this.apply(false);
  }

  /** 'light' or 'dark' */
  get shown() {
    if (this.isPrinting) return 'light';
    if (this.chosen !== 'auto') return this.chosen;
    return this.system.matches ? 'dark' : 'light';
  }

  apply(isChange) {
    document.documentElement.dataset.theme = this.shown;
    if (isChange) this.changed();
  }

  choose(theme) {
    this.chosen = theme;
    try {
      localStorage.setItem('convmixer-theme', theme);
    } catch {
      // a page out of a file may have no storage: then the choice lasts as long as the page
    }
    this.apply(true);
  }

  remembered() {
    try {
      const theme = localStorage.getItem('convmixer-theme');
      return ['light', 'dark'].includes(theme) ? theme : 'auto';
    } catch {
      return 'auto';
    }
  }

  print(isPrinting) {
    if (this.shown !== 'light' || !isPrinting) {
      this.isPrinting = isPrinting;
      this.apply(true);
    }
  }
}
