// A page that is served while runs are trained: asks for the curves of what is ticked, and for what has come since.

class Live {
  constructor(page) {
    this.page = page;
    this.live = page.document.live;
    this.loading = new Set();  // runs whose curves were asked for
    this.turns = new Map();  // when which run was asked about
    this.turn = 0;
    this.failures = 0;
    this.notice = element('p', { id: 'live', role: 'status' });
    byId('heading').after(this.notice);
    this.figures = new Map();  // of which weights a run's figures are, or were asked for
    page.onTick = (id, ticked) => this.ticked(id, ticked);
    page.onDetails = (run) => this.loadFigures(run);
    document.addEventListener('visibilitychange', () => this.isSeen() && this.ask());
    window.addEventListener('online', () => this.ask());
    this.say();
    for (const id of page.ticked) this.load(id);
    this.loadFigures(chosenRun(page, page.runs()));
    this.later();
  }

  isSeen() {
    return document.visibilityState === 'visible';
  }

  /** The next question; less often while nobody answers. */
  later() {
    clearTimeout(this.timer);
    const seconds = this.live.seconds * Math.min(5, 1 + this.failures);
    this.timer = setTimeout(() => (this.isSeen() ? this.ask() : null), 1000 * seconds);
  }

  async get(address) {
    const answer = await fetch(address, { cache: 'no-store', signal: AbortSignal.timeout(30000) });
    if (answer.status === 403) throw new Error('The page was opened without its token: open it once more as it was printed.');
    return answer.ok ? answer.json() : null;
  }

  /** Asks what has come; one question at a time. */
  async ask() {
    if (this.isAsking) return;
    this.isAsking = true;
    try {
      const { address, isAll } = this.question();
      const news = await this.get(address);
      if (news) this.take(news, isAll);
      if (this.failures > 0) this.answered();
    } catch (error) {
      this.failed(error);
    }
    this.isAsking = false;
    this.later();
  }

  /** Names the runs that are shown and what is known of them; those that don't fit in have their turn the next time. */
  question() {
    const kMost = 6000;  // characters
    const shown = this.page.document.runs.filter((run) => run.epochs && this.page.ticked.has(run.id));
    const asked = (run) => this.turns.get(run.id) ?? 0;
    let address = `changes?since=${this.live.changes}`;
    let isAll = true;
    for (const run of shown.sort((a, b) => asked(a) - asked(b))) {
      const told = `&told=${encodeURIComponent(`${run.told}.${run.id}`)}`;
      if (address.length + told.length > kMost) {
        isAll = false;
        continue;
      }
      address += told;
      this.turns.set(run.id, ++this.turn);
    }
    return { address, isAll };
  }

  take(news, isAll) {
    if (news.server !== this.live.server) {
      location.reload();  // another start of the program: its numbers are others
      return;
    }
    const { page } = this;
    for (const increment of news.increments ?? []) page.append(increment);
    for (const run of news.runs ?? []) {
      // A run without curves that is ticked is being loaded, or wasn't among those asked about: its curves stay.
      const known = page.document.runs.find((one) => one.id === run.id);
      if (run.epochs || !known?.epochs || !page.ticked.has(run.id)) page.put(run);
    }
    if (news.ids) this.list(news.ids);
    const only = page.document.runs.length === 1 ? page.document.runs[0].id : null;
    if (only && !page.ticked.has(only)) page.tick(only, true);  // a run alone has no box to tick
    if (isAll) this.live.changes = news.changes;
    this.say();
  }

  /** The runs that there are now. */
  list(ids) {
    const there = new Set(ids);
    for (const run of [...this.page.document.runs]) if (!there.has(run.id)) this.page.remove(run.id);
  }

  async load(id) {
    if (this.loading.has(id)) return;
    this.loading.add(id);
    try {
      const run = await this.get(`run?id=${encodeURIComponent(id)}`);
      if (run) this.page.put(run);
    } catch (error) {
      this.failed(error);
    }
    this.loading.delete(id);
  }

  /** Figures are of the run that is shown in detail, and drawn anew when its weights or their evaluation are others. */
  async loadFigures(run) {
    if (!run?.figures_of || this.figures.get(run.id) === run.figures_of) return;
    this.figures.set(run.id, run.figures_of);
    try {
      const figures = await this.get(`figures?id=${encodeURIComponent(run.id)}`);
      if (figures) this.page.showFigures(run.id, figures);
    } catch (error) {
      this.figures.delete(run.id);  // asked for again with what comes next
      this.failed(error);
    }
  }

  ticked(id, ticked) {
    const run = this.page.document.runs.find((one) => one.id === id);
    if (ticked && run && !run.epochs) this.load(id);
    this.keepAddress();
  }

  /** The address says what is ticked: to be sent to others, and for when the page is loaded again. */
  keepAddress() {
    const chosen = [...this.page.ticked].map((id) => `run=${encodeURIComponent(id)}`).join('&');
    history.replaceState(null, '', chosen ? `?${chosen}` : '?run=');
  }

  /** What there is to know about how the page is kept up to date. */
  say() {
    const { runs } = this.page.document;
    const text = runs.length === 0 ? `No runs below ${this.live.folder} yet. They appear here by themselves.` : `Live from ${this.live.folder}`;
    if (this.notice.textContent === text) return;
    this.notice.className = runs.length === 0 ? 'notice' : 'quiet live';
    this.notice.textContent = text;
  }

  failed(error) {
    ++this.failures;
    this.since ??= new Date();
    const time = this.since.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
    const isRefused = error instanceof Error && error.name === 'Error';
    const text = isRefused ? error.message : `No answer since ${time}: convmixer has ended, or the way to it is cut. What is shown is of then; the page goes on by itself when there is an answer.`;
    this.notice.className = 'notice';
    if (this.notice.textContent !== text) this.notice.textContent = text;
  }

  answered() {
    this.failures = 0;
    this.since = null;
    this.say();
    for (const id of this.page.ticked) this.ticked(id, true);
  }
}

if (window.runPage.document.live) window.runPage.live = new Live(window.runPage);
