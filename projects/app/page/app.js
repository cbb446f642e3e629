// The page: it keeps the picture, and sends it with every question.
const $ = selector => document.querySelector(selector);
const all = selector => [...document.querySelectorAll(selector)];

const TITLES = {
  original: 'what the model was given',
  masked: 'masked: click patches',
  reconstruction: 'reconstruction',
  pasted: 'with the visible patches',
  detections: 'detections',
  seen: 'tokens that the encoder saw',
  point: 'click a point',
  overlay: 'attention over the picture',
  attention: 'attention of the point',
  'class token': 'attention of the class token',
};
const SMOOTH = ['point', 'overlay', 'detections'];

let overview;             // what the server offers
let view = 'reconstruct';
let picture = null;       // Blob
let hidden = null;        // patches chosen by hand; null: by lot
let seed = 0;
let point = {x: 0.5, y: 0.5};
let patches = null;       // {grid, hidden, ratio} of the last reconstruction
const model = {};         // name of the last model, by view
let last = '';            // the model chosen last, in any view

// --- questions to the server: one at a time, the newest of those that wait

let running = false;
let waiting = false;

async function ask() {
  if (running) { waiting = true; return; }
  running = true;
  document.body.dataset.state = 'busy';
  const asked = view;
  try {
    const answer = await post(asked, parameters());
    if (asked === view && !waiting) show(answer);
  } catch (error) {
    if (asked === view && !waiting) fail(error.message);
  }
  running = false;
  if (waiting) { waiting = false; return ask(); }
  document.body.dataset.state = 'ready';
}

async function post(path, query, body = picture) {
  const response = await fetch(`/api/${path}?${new URLSearchParams(query)}`, {
    method: 'POST', body, headers: {'Content-Type': overview.type},
  });
  if (response.headers.get('Content-Type') === 'image/png') {
    return response.blob();
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function parameters() {
  const query = Object.fromEntries(
    new FormData($(`.controls[data-view=${view}]`)));
  query.model = model[view];
  if (view === 'reconstruct') {
    query.seed = seed;
    if (hidden) query.hidden = hidden.join(',');
  }
  return view === 'attend' ? {...query, ...point} : query;
}

// --- answers on the page

function fail(message) {
  $('#note').textContent = message;
  $('#note').classList.add('error');
}

function show(answer) {
  $('#note').classList.remove('error');
  $('#note').textContent = answer ? answer.note : '';
  if (!answer) return $('#pictures').replaceChildren();
  if (view === 'reconstruct') patches = answer;
  if (view === 'detect') {
    $('#tokens').hidden = $('#sampled').hidden = !answer.samples;
    $('#unsampled').hidden = answer.samples;
  }
  const figures = Object.entries(answer.pictures).map(
    ([name, source]) => figure(name, source));
  $('#pictures').replaceChildren(...figures);
}

function figure(name, source) {
  const frame = document.createElement('div');
  frame.className = SMOOTH.includes(name) ? 'frame smooth' : 'frame';
  const image = document.createElement('img');
  image.src = source;
  image.alt = TITLES[name];
  frame.append(image);
  if (name === 'masked') {
    frame.classList.add('grid');
    frame.style.setProperty('--rows', patches.grid[0]);
    frame.style.setProperty('--columns', patches.grid[1]);
    frame.onclick = event => toggle(place(event));
  }
  if (name === 'point') {
    frame.classList.add('aim');
    frame.onclick = event => { point = place(event); ask(); };
  }
  const figure = document.createElement('figure');
  figure.dataset.name = name;
  const caption = document.createElement('figcaption');
  caption.textContent = TITLES[name];
  figure.append(frame, caption);
  return figure;
}

function place(event) {  // of a click, as shares of width and height
  const box = event.currentTarget.getBoundingClientRect();
  const share = (at, from, length) =>
    Math.min(Math.max((at - from) / length, 0), 0.9999);
  return {
    x: share(event.clientX, box.left, box.width),
    y: share(event.clientY, box.top, box.height),
  };
}

function toggle({x, y}) {
  const [rows, columns] = patches.grid;
  const patch = Math.floor(y * rows) * columns + Math.floor(x * columns);
  const chosen = new Set(hidden || patches.hidden);
  if (!chosen.delete(patch)) chosen.add(patch);
  if (chosen.size === 0 || chosen.size === rows * columns) {
    return fail('At least one patch must be hidden and one visible.');
  }
  hidden = [...chosen];
  ask();
}

// --- controls

function choose(name) {
  view = name;
  all('nav button').forEach(button =>
    button.setAttribute('aria-selected', button.dataset.view === view));
  all('.controls').forEach(form => { form.hidden = form.dataset.view !== view; });
  const names = overview.views[view];
  $('#model').replaceChildren(...names.map(text => new Option(text)));
  model[view] = names.includes(last) ? last : model[view] || names[0];
  $('#model').value = model[view] || '';
  show(null);
  if (names.length && picture) ask();
  else if (!names.length) fail(overview.hint || 'None of the models can do this.');
}

function use(blob) {
  picture = blob;
  hidden = null;
  point = {x: 0.5, y: 0.5};
  URL.revokeObjectURL($('#picture').src);
  $('#picture').src = URL.createObjectURL(blob);
  if (model[view]) ask();
  else document.body.dataset.state = 'ready';
}

async function upload(file) {
  all('#examples button').forEach(b => b.setAttribute('aria-pressed', false));
  document.body.dataset.state = 'busy';
  try {
    if (file.size > overview.max_bytes) {
      throw new Error(`The file has more than ${overview.max_bytes} bytes.`);
    }
    use(await post('picture', {}, file));
  } catch (error) {
    fail(error.message);
    document.body.dataset.state = 'ready';
  }
}

function addExample(name) {
  const button = document.createElement('button');
  const image = document.createElement('img');
  image.src = `/api/examples/${name}`;
  image.alt = button.title = name;
  button.append(image);
  button.onclick = async () => {
    document.body.dataset.state = 'busy';
    all('#examples button').forEach(
      b => b.setAttribute('aria-pressed', b === button));
    use(await (await fetch(image.src)).blob());
  };
  $('#examples').append(button);
  return button;
}

function label(input) {
  input.parentElement.querySelector('output').textContent =
    input.id === 'score' ? Number(input.value).toFixed(2)
      : `${Math.round(100 * input.value)} %`;
}

all('input[type=range]').forEach(input => {
  label(input);
  input.oninput = () => {
    label(input);
    if (input.id === 'mask') hidden = null;
    ask();
  };
});
all('nav button').forEach(button => {
  button.onclick = () => choose(button.dataset.view);
});
all('.controls').forEach(form => { form.onsubmit = () => false; });
$('#model').onchange = event => {
  model[view] = last = event.target.value;
  hidden = null;
  ask();
};
$('#again').onclick = () => { hidden = null; seed += 1; ask(); };
$('#size').onchange = ask;
$('#file').onchange = event => {
  if (event.target.files.length) upload(event.target.files[0]);
  event.target.value = '';
};
const drop = $('#drop');
for (const kind of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, event => {
    event.preventDefault();
    drop.classList.toggle('over', kind === 'dragover');
    if (kind === 'drop' && event.dataTransfer.files.length) {
      upload(event.dataTransfer.files[0]);
    }
  });
}

overview = await (await fetch('/api/overview')).json();
$('#hint').textContent = overview.hint;
$('#hint').hidden = !overview.hint;
const examples = overview.examples.map(addExample);
choose(Object.keys(overview.views).find(v => overview.views[v].length) || view);
examples[0].click();
