// The explorer of topics: it shows the chosen topic alone, orders its words by λ, and lights lines over time.
"use strict";
(() => {
  const SHOWN = 15, SMALLEST = 1e-12, END_GAP = 6.5;
  const words = JSON.parse(document.getElementById("words").textContent);  // By topic: [word, probability, overall].
  const explorer = document.getElementById("explorer");
  const slider = document.getElementById("lambda");
  const topics = [...explorer.querySelectorAll(".topic")];
  let chosen = 0;

  // Relevance as Sievert & Shirley (2014) have it; of equals the more probable stands first, then the alphabet decides.
  function ordered(rows, weight) {
    const relevance = ([, inside, overall]) =>
      Math.round(1e9 * (Math.log(Math.max(inside, SMALLEST)) - (1 - weight) * Math.log(Math.max(overall, SMALLEST))));
    return rows.map((row) => [relevance(row), row])
      .sort(([a, x], [b, y]) => b - a || y[1] - x[1] || (x[0] < y[0] ? -1 : 1))
      .map(([, row]) => row).slice(0, SHOWN);
  }

  const figure = (value) => value.toFixed(value >= 100 ? 0 : value >= 1 ? 1 : 2);

  function showWords() {
    const weight = Number(slider.value);
    document.getElementById("weight").textContent = weight.toFixed(1);
    const topic = topics[chosen], rows = ordered(words[topic.dataset.topic], weight);
    const longest = Math.max(...rows.map(([, inside, overall]) => Math.max(inside, overall)));
    [...topic.querySelectorAll(".word")].forEach((line, place) => {
      const [word, inside, overall] = rows[place];
      const [name, bar, often, lift] = line.children;
      name.textContent = name.title = word;
      bar.children[0].style.width = (100 * inside / longest).toFixed(1) + "%";
      bar.children[1].style.width = (100 * overall / longest).toFixed(1) + "%";
      often.textContent = figure(1000 * inside);
      lift.textContent = "×\u00a0" + figure(inside / Math.max(overall, SMALLEST));
    });
  }

  function choose(place) {
    chosen = (place + topics.length) % topics.length;
    topics.forEach((topic, each) => topic.classList.toggle("chosen", each === chosen));
    explorer.querySelectorAll(".map a").forEach((link) => {
      if (link.dataset.topic === topics[chosen].dataset.topic) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    document.getElementById("which").textContent = `Topic ${topics[chosen].dataset.topic} of ${topics.length}`;
    showWords();
  }

  function follow() {
    const place = topics.findIndex((topic) => "#" + topic.id === location.hash);
    if (place < 0) return;
    choose(place);
    if (!explorer.contains(document.activeElement)) explorer.scrollIntoView();
  }

  function step(by) {
    choose(chosen + by);
    history.replaceState(null, "", "#" + topics[chosen].id);
  }

  // Numbers at the ends of lines move until none stands on another, as in the page as it was written.
  function spread(course) {
    const ends = [...course.querySelectorAll(".end.on")].sort((a, b) => a.dataset.end - b.dataset.end);
    let lowest = 100 - END_GAP * (ends.length - 1), free = -100;
    for (const end of ends) {
      const place = Math.max(Math.min(Number(end.dataset.end), lowest), free);
      end.style.top = place + "%";
      free = place + END_GAP;
      lowest += END_GAP;
    }
  }

  function light(button, on) {
    const of = (kind) => document.getElementById(`${kind}-${button.dataset.topic}`);
    button.setAttribute("aria-pressed", on);
    for (const part of [of("line"), of("end")]) part.classList.toggle("on", on);
    if (on) of("line").parentNode.append(of("line"));
  }

  const picks = [...document.querySelectorAll(".pick")];
  const course = document.getElementById("course");
  for (const button of picks) {
    button.addEventListener("click", () => {
      light(button, button.getAttribute("aria-pressed") !== "true");
      spread(course);
    });
  }
  document.getElementById("none")?.addEventListener("click", () => {
    picks.forEach((button) => light(button, false));
  });

  slider.addEventListener("input", showWords);
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  addEventListener("hashchange", follow);
  document.body.classList.add("live");
  choose(topics.findIndex((topic) => topic.dataset.topic === explorer.dataset.largest));
  follow();
})();
