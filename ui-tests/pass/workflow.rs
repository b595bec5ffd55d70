//! Compositions of every kind, and what their types are.
#![deny(warnings)]

use taskora::WorkflowBuilder;
use taskora::prelude::*;

/// A picture.
#[derive(Clone, Serialize, Deserialize)]
struct Image(Vec<u8>);

#[task]
async fn load(path: String) -> Image {
    Image(path.into_bytes())
}

#[task]
async fn resize(image: Image, width: u32) -> Image {
    Image(image.0.into_iter().take(width as usize).collect())
}

#[task]
async fn measure(image: Image) -> u32 {
    image.0.len() as u32
}

#[task]
async fn sheet(images: Vec<Image>) -> String {
    images.len().to_string()
}

#[task]
async fn both(pair: (Image, u32)) -> Image {
    pair.0
}

#[task]
async fn plan() -> Resize {
    Resize { image: Image(vec![]), width: 1 }
}

#[task]
async fn twelve(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: String,
) -> u8 {
    a + b + c + d + e + f + g + h + i + j + k + l.len() as u8
}

#[task]
async fn more(n: u8) -> u8 {
    n + 1
}

mod shared {
    use taskora::prelude::*;

    /// A contract that producers share.
    #[derive(Task, Serialize, Deserialize)]
    #[task(name = "publish", output = ())]
    pub struct Publish {
        /// What.
        pub name: String,
        /// Where.
        pub place: String,
    }
}
use shared::Publish;

fn load_one() -> Load {
    Load { path: "a.png".into() }
}

/// Composition is generic over tasks.
fn twice<T: Task>(first: T, second: T) -> Workflow<taskora::workflow::Bound, Vec<T::Output>> {
    group([first, second])
}

async fn run(app: App) -> taskora::Result<()> {
    let sizes = |image: Image| group((Resize::s().image(image.clone()).width(800u32), Measure { image }));
    let flow = load_one()
        .then(group((Resize::s().width(800u32), Measure::s())))
        .then(Both::s())
        .then(group([Resize::s().width(1u32), Resize::s().width(2u32)]))
        .then(Sheet::s())
        .then(Publish::s().place("web"));
    let handle: WorkflowHandle<()> = app
        .dispatch(flow.with(|o| o.priority(3)))
        .ttl(std::time::Duration::from_secs(60))
        .id("publish-1")
        .meta("tenant", "42")
        .await?;
    let () = handle.result().await?;

    let handle = app.dispatch(sizes(Image(vec![]))).await?;
    let (_, _): (Image, u32) = handle.result_within(std::time::Duration::from_secs(1)).await?;
    let _: Vec<Image> = app.dispatch(Load::map([load_one(), load_one()])).await?.result().await?;
    let _: Vec<Image> = app.dispatch(Load::chunk(vec![load_one()], 50)).await?.result().await?;
    let _: String = app.dispatch(chord(vec![load_one()], Sheet::s())).await?.result().await?;
    let _: Image = app.dispatch(chain((Plan, Resize::s()))).await?.result().await?;
    let _: Vec<Image> = app.dispatch(twice(load_one(), load_one())).await?.result().await?;

    let twelve = || Twelve::s().b(2).c(3).d(4).e(5).f(6).g(7).h(8).i(9).j(10).k(11).l("x");
    let m = More::s;
    let _: u8 = app
        .dispatch(More { n: 1 }.then(chain((
            twelve(),
            m(),
            m(),
            m(),
            m(),
            m(),
            m(),
            m(),
            m(),
            m(),
            m(),
            m(),
        ))))
        .await?
        .result()
        .await?;
    let _ = More { n: 1 }.then(group((m(), m(), m(), m(), m(), m(), m(), m(), m(), m(), m(), twelve())));

    let mut dag = Dag::new();
    let image = dag.add(load_one());
    let size = dag.add_after(image, Measure::s());
    let merged = dag.add_after((image, size), Both::s());
    let sheet = dag.add_after(vec![image, merged], Sheet::s());
    let again = dag.add_after(&[image, merged][..], Sheet::s());
    dag.add_after([sheet, again], Plan);
    let smaller = dag.add(Resize::s().image(image).width(size));
    let thumbnail = dag.add_after(size, Resize::s().image(smaller).with(|o| o.priority(1)));
    let all = dag.join(&[smaller, thumbnail][..]);
    dag.add(group((Sheet::s().images(all), load_one())).then(Plan));
    let _: String = app.dispatch(dag.finish(sheet)).await?.result().await?;

    let _: Option<WorkflowState> = app.workflow::<String>("publish-1").state().await?;
    let flow = WorkflowBuilder::new().node("a", "load", serde_json::json!({"path": "x"})).build()?;
    let _: serde_json::Value = app.dispatch(flow).await?.result().await?;
    Ok(())
}

fn main() {
    let _ = run;
}
