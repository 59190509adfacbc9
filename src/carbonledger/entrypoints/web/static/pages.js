// The pages that links lead to: they read what a link holds, ask the API, and say what came of it. No markup is ever made from data: only textContent.
const $ = (selector) => document.querySelector(selector);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
let csrf = null;

// What a link holds must not stay in the address bar, the history or a screenshot.
if (token) history.replaceState(null, "", location.pathname);

async function call(method, path, body) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (csrf && method !== "GET") headers["x-csrf-token"] = csrf;
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin" });
  } catch {
    throw { title: "The server did not answer.", detail: "Is it still running? Try again in a moment." };
  }
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw { status: response.status, ...(answer ?? { title: `The server answered ${response.status}.` }) };
  if (answer?.csrf_token) csrf = answer.csrf_token;
  return answer;
}

function say(text, isProblem = false) {
  const said = $(".said");
  if (!said) return;
  said.textContent = text;
  said.classList.toggle("problem", isProblem);
}

function sayProblem(problem) {
  const parts = [problem.title, problem.detail !== problem.title ? problem.detail : "", ...(problem.errors ?? []).map((one) => one.detail)];
  const words = parts.filter(Boolean).join(" ");
  // The id helps whoever runs the server; a reader who mistyped needs none.
  say(problem.status >= 500 ? `${words} (request ${problem.request_id})` : words || "Something went wrong here. Reload the page.", true);
}

function show(selector) {
  for (const part of document.querySelectorAll("[data-part]")) part.hidden = !part.matches(selector);
  $(`${selector} input`)?.focus();
}

function onSubmit(selector, work) {
  $(selector)?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    const given = Object.fromEntries(new FormData(event.target));
    button.disabled = true;
    say("");
    try {
      await work(given, event.target);
    } catch (problem) {
      sayProblem(problem);
    } finally {
      button.disabled = false;
    }
  });
}

function onClick(selector, work) {
  $(selector)?.addEventListener("click", async () => {
    say("");
    try {
      await work();
    } catch (problem) {
      sayProblem(problem);
    }
  });
}

const goHome = () => location.assign("/");

const pages = {
  "sign-in": () => {
    onClick("#use-link", async () => {
      await call("POST", "/v1/auth/sign-in-link", { token });
      show("#first-password");
    });
    onSubmit("#first-password", async ({ password }) => {
      await call("PUT", "/v1/auth/password", { password });
      goHome();
    });
    if (token) show("#by-link");
  },
  "reset-password": () => {
    if (!token) return say("This page opens from the link in the e-mail; the address holds no link.", true);
    onSubmit("#new-password", async ({ password }) => {
      await call("POST", "/v1/auth/password-reset/confirm", { token, password });
      show("#done");
    });
    show("#new-password");
  },
  "verify-email": () => {
    if (!token) return say("This page opens from the link in the e-mail; the address holds no link.", true);
    onClick("#confirm", async () => {
      await call("POST", "/v1/auth/verify-email", { token });
      show("#done");
    });
    show("#ask");
  },
  "accept-invitation": async () => {
    if (!token) return say("This page opens from an invitation's link; the address holds no link.", true);
    try {
      const offer = await call("POST", "/v1/invitations/offer", { token });
      $("#organization").textContent = offer.organization_name;
      $("#role").textContent = offer.role;
    } catch (problem) {
      return sayProblem(problem);
    }
    onSubmit("#as-new", async ({ name, password }) => {
      await call("POST", "/v1/invitations/accept-as-new", { token, name, password });
      goHome();
    });
    onClick("#as-member", async () => {
      await call("POST", "/v1/invitations/accept", { token });
      goHome();
    });
    show("#offer");
    const session = await call("GET", "/v1/auth/session").catch(() => null);
    $("#as-new").hidden = session !== null;
    $("#as-member").hidden = session === null;
  },
};

pages[document.body.dataset.page]?.();
