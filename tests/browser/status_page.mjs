// Looks at the status page with a real browser: every page without an error, light, dark and narrow; an alert is acknowledged and
// a delivery tried again by clicking.
//
//   node status_page.mjs URL [FOLDER FOR SCREENSHOTS]
//
// PLAYWRIGHT names the folder of playwright-core, CHROMIUM the browser.
import { createRequire } from "node:module";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [url, folder] = process.argv.slice(2);
const { chromium } = createRequire(import.meta.url)(process.env.PLAYWRIGHT ?? "playwright-core");
if (folder) mkdirSync(folder, { recursive: true });

const problems = [];
const expect = (is, what) => { if (!is) problems.push(what); };
const profile = mkdtempSync(join(tmpdir(), "synthex-browser-"));
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--force-color-profile=srgb"];

/** A browser with this look; what its pages complain of is a problem. */
async function browser(look, work) {
  const context = await chromium.launchPersistentContext(join(profile, look.name), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: flags,
    viewport: { width: look.width, height: look.height }, colorScheme: look.scheme, deviceScaleFactor: look.scale ?? 1,
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`${look.name} ${page.url()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`${look.name} ${page.url()}: ${error}`));
  page.on("dialog", (dialog) => { problems.push(`${look.name}: a script ran: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) problems.push(`${look.name}: ${request.url()} was asked for`);
  });
  await work(page);
  await context.close();
}

const pages = { overview: "", alerts: "alerts", inbox: "inbox?only=all", health: "health", credentials: "credentials",
  tenants: "tenants", operations: "operations", operation: "operations/2", usage: "usage", nowhere: "nowhere" };

try {
  for (const look of [{ name: "light", scheme: "light", width: 1280, height: 900 }, { name: "dark", scheme: "dark", width: 1280, height: 900 },
    { name: "narrow", scheme: "light", width: 390, height: 844, scale: 2 }, { name: "narrow-dark", scheme: "dark", width: 390, height: 844, scale: 2 }]) {
    await browser(look, async (page) => {
      for (const [name, path] of Object.entries(pages)) {
        if (name === "nowhere") page.removeAllListeners("console");
        const answer = await page.goto(url + path);
        expect(answer.status() === (name === "nowhere" ? 404 : 200), `${path}: ${answer.status()}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect(wide <= 0, `${look.name} ${name}: ${wide} pixels too wide`);
        expect(await page.locator("h1").count() === 1, `${name}: one heading`);
        expect(await page.locator("main").count() === 1, `${name}: one main part`);
        const styled = await page.evaluate(() => getComputedStyle(document.querySelector("header.top")).position !== "" &&
          getComputedStyle(document.body).margin === "0px");
        expect(styled, `${name}: the stylesheet was not taken`);
        if (folder) await page.screenshot({ path: join(folder, `${look.name}-${name}.png`), fullPage: look.width < 600 ? false : true });
      }
    });
  }
  await browser({ name: "hands", scheme: "light", width: 1280, height: 900 }, async (page) => {
    await page.goto(url + "alerts?workspace=us-smb");
    const buttons = page.getByRole("button", { name: /^Acknowledge/ });
    const before = await buttons.count();
    expect(before > 0, "no alert to acknowledge");
    await page.getByLabel("Comment (may be left out)").first().fill("I look at it");
    await buttons.first().click();
    await page.getByRole("status").getByText("Acknowledged").waitFor({ timeout: 10_000 });
    expect(await buttons.count() === before - 1, "the alert is still to be acknowledged");
    expect(page.url().includes("workspace=us-smb"), `the choice was lost: ${page.url()}`);
    expect(await page.getByText("I look at it").count() === 1, "the comment is not shown");
    if (folder) await page.screenshot({ path: join(folder, "acknowledged.png") });

    await page.goto(url + "inbox");
    await page.getByRole("button", { name: /^Retry through ops-slack/ }).first().click();
    await page.getByRole("status").getByText("It is tried again now").waitFor({ timeout: 10_000 });

    await page.goto(url + "tenants");
    await page.getByLabel("Id, name or shop").fill("A_NASTY");
    await page.keyboard.press("Enter");
    await page.getByText("1 to 1 of 1").waitFor({ timeout: 10_000 });
    expect(await page.getByText('<script>alert("x")</script>').count() === 1, "the name is not shown as it is");

    // By keyboard alone: the first stop leads past the menu.
    await page.goto(url);
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement.textContent) === "Skip to the content", "no way past the menu");
    const nameless = await page.evaluate(() => [...document.querySelectorAll("input:not([type=hidden]), button, a, svg[role=img]")]
      .filter((one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute("aria-label"))).length);
    expect(nameless === 0, `${nameless} controls have no name`);
  });
} finally {
  rmSync(profile, { recursive: true, force: true });
}
for (const problem of problems) console.error(problem);
console.log(problems.length ? `${problems.length} problems` : "the status page is well");
process.exitCode = problems.length ? 1 : 0;
